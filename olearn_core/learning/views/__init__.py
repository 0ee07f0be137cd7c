"""What all shards together have learned, and how far they are."""
