"""What is told of an update: one partition's part of a checkpoint, when it is committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from olearn_core.learning.shards.tick import Tick


@dataclass(frozen=True, slots=True)
class Update:
    """
    One update.

    :param counts: what happened, by name
    :param refused: dead letters by the field that was wrong, "" for the whole record
    :param seconds: fold and commit
    :param waited_seconds: from the log's time of the first record to now, None where the log
        keeps no times
    """

    counts: Mapping[str, int]
    refused: Mapping[str, int]
    seconds: float
    commit_seconds: float
    waited_seconds: float | None

    @classmethod
    def of(cls, tick: Tick, commit_seconds: float) -> Self:
        """Return what is told of a tick that was just committed."""
        waited = time.time() - tick.began_ms / 1_000 if tick.began_ms > 0 else None
        return cls(
            tick.counts,
            Counter(letter.pointer for letter in tick.dead_letters),
            tick.fold_seconds + commit_seconds,
            commit_seconds,
            None if waited is None else max(0.0, waited),
        )


NoteUpdate = Callable[[Update], None]


def note_nothing(_: Update) -> None:
    """Tell nobody."""
