"""When keys were last used: noted in memory, written at most once a minute each."""

from __future__ import annotations

import time

from olearn_core.storage.api_keys import ApiKeyStore

LEAST_SECONDS = 60.0


class Uses:
    """Uses of API keys on this node; another may have written a key's minute already."""

    def __init__(self, store: ApiKeyStore) -> None:
        self._store = store
        self._used_at: dict[str, float] = {}
        self._written_at: dict[str, float] = {}

    def note(self, key_id: str, at_seconds: float) -> None:
        """Note one use."""
        self._used_at[key_id] = at_seconds

    async def write(self) -> None:
        """
        Write what is due.

        :raises SQLAlchemyError: where the database is away; it stays due then
        """
        recent = time.time() - LEAST_SECONDS
        self._written_at = {k: at for k, at in self._written_at.items() if at > recent}
        due = {k: at for k, at in self._used_at.items() if k not in self._written_at}
        if not due:
            return
        await self._store.note_used(due, LEAST_SECONDS)
        self._written_at |= due
        for key_id, at_seconds in due.items():
            if self._used_at.get(key_id) == at_seconds:  # it may be in use right now
                del self._used_at[key_id]
