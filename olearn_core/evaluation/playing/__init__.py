"""Policies that play on recorded tasks, where what every agent would have done is known."""
