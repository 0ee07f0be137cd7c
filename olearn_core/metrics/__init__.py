"""What Prometheus is told: histograms that are noted, figures that are read when it asks."""
