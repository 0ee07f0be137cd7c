"""Replaying recorded tasks and simulating fleets, through the routes that everybody uses."""
