"""Where outcomes come from and are put: Kafka or the embedded log, behind one contract."""
