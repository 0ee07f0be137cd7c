"""Simulated fleets and recorded tasks, sent and replayed through the routes that everybody uses."""
