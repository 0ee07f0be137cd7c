"""What other policies would have earned, told from the log of decisions alone."""
