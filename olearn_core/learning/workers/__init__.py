"""Who learns what: partitions that come and go, batches, checkpoints and their trouble."""
