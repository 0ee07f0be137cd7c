"""From records to sums: batching, folding, checkpoints, the view and its versions."""
