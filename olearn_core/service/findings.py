"""What the ledger tells of the last day."""

from __future__ import annotations

import time

from olearn_core.storage.ledger import Ledger

AGE_SECONDS = 86_400.0


class Findings:
    """
    Lost records, resets and whatever else operators should know of.

    :ivar sentences: as of the last look
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.sentences: list[str] = []

    async def look(self) -> None:
        """Read the ledger again."""
        found = await self._ledger.findings(time.time() - AGE_SECONDS)
        self.sentences = [finding.sentence for finding in found]
