"""The watchdog: ends a process whose learning hangs, so that others take over."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
TICK_SECONDS = 1.0


def _exit() -> None:
    os._exit(EXIT_CODE)


class Watchdog:
    """
    Looks from a thread of its own whether turns are still taken.

    It counts its own ticks, not the clock's seconds: a process that was
    suspended as a whole does not hang.

    :param turns: a number that grows with every turn
    :param patience_seconds: without a turn for this long, it bites
    :param bite: ends the process; no handler of a hanging loop could
    """

    def __init__(
        self,
        turns: Callable[[], int],
        patience_seconds: float,
        bite: Callable[[], None] = _exit,
    ) -> None:
        self._turns = turns
        self._patience_ticks = max(1, round(patience_seconds / TICK_SECONDS))
        self._bite = bite
        self._called_off = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._called_off.set()
            thread.join()

    def _watch(self) -> None:
        seen, ticks = self._turns(), 0
        while not self._called_off.wait(TICK_SECONDS):
            now = self._turns()
            ticks = 0 if now != seen else ticks + 1
            seen = now
            if ticks >= self._patience_ticks:
                logger.critical(
                    "learning has hung for %.0f s: the process ends, others take over", ticks
                )
                self._bite()
                return
