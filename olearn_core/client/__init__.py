"""What agents' runtimes use: ask which agent to send, tell what came of it."""

from __future__ import annotations

from olearn_core.client.client import DEFAULT_URL, OlearnClient
from olearn_core.client.keys import found_key
from olearn_core.client.replies import RefusedError, Reply

__all__ = ["DEFAULT_URL", "OlearnClient", "RefusedError", "Reply", "found_key"]
