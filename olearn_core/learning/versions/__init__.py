"""What was learned at a time: saved, compared, and gone back to."""
