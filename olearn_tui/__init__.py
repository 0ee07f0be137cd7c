"""The terminal dashboard: talks HTTP only and shares nothing with the core but `schemas`."""
