"""Spans, for whoever traces; nothing of OpenTelemetry is loaded for others."""
