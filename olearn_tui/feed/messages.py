"""What the feed tells the dashboard."""

from __future__ import annotations

from textual.message import Message


class Refreshed(Message):
    """The picture has changed; one that waits is replaced by the next."""

    def can_replace(self, message: Message) -> bool:
        """Whether a waiting message says no more than this one."""
        return isinstance(message, Refreshed)
