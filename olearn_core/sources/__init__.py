"""Where outcomes come from: Kafka, the embedded log, files; one contract."""
