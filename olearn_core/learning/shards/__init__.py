"""One partition's learning: from records to sums, and what a checkpoint of them writes."""
