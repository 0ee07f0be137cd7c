"""
`olearn serve` with outcomes that never end: 200 agents on 50 task types, at a given rate.

`python -m benchmarks.endless RATE` serves on any free port, in the current folder. Outcomes are
made as they are fetched, so that hours of them take no room; each has an id of its own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import product
from typing import NamedTuple

import numpy as np

from olearn_core.cli.app import app
from olearn_core.service import parts
from olearn_core.sources.embedded import EmbeddedLog
from olearn_core.sources.source import Listener, Partition, Record, Source
from olearn_core.storage.outcome_log import OutcomeLog

AGENTS, TASK_TYPES = 200, 50
PARTITIONS = tuple(Partition("agent-outcomes", number) for number in range(4))
SHORTEST_SECONDS = 0.002
SHAPES = 40_000


class Made(NamedTuple):
    """An outcome in no log."""

    offset: int
    timestamp: int
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class Endless(Source):
    """
    Partitions that grow by a rate and are learned as fast as it goes.

    :param rate: outcomes a second, of all partitions together
    """

    name = "endless"

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._shapes = shapes()
        self._started = 0.0
        self._positions: dict[Partition, int] = {}

    @property
    def group(self) -> str:
        """There is one group."""
        return "endless"

    @property
    def cluster_id(self) -> str | None:
        """There is no cluster."""
        return None

    async def start(self, stack: AsyncExitStack, listener: Listener) -> None:
        """Give out all partitions, and begin to grow."""
        self._started = time.monotonic()
        listener.assigned(PARTITIONS)

    async def stop(self) -> None:
        """There is nothing to leave."""

    async def restart(self) -> None:
        """There is nothing to join again."""

    async def probe(self) -> None:
        """It always answers."""

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return what is due."""
        each = most // len(PARTITIONS)
        due = {p: min(each, self._end() - at) for p, at in self._positions.items()}
        if not any(count > 0 for count in due.values()):
            await asyncio.sleep(SHORTEST_SECONDS)
            return {}
        return {partition: self._made(partition, n) for partition, n in due.items() if n > 0}

    def _made(self, partition: Partition, count: int) -> Sequence[Record]:
        first, now_ms = self._positions[partition], int(time.time() * 1_000)
        self._positions[partition] = first + count
        return [
            Made(offset, now_ms, self._shapes[offset % SHAPES] % (partition.number, offset))
            for offset in range(first, first + count)
        ]

    def _end(self) -> int:
        """Return where each partition ends by now."""
        return int((time.monotonic() - self._started) * self._rate / len(PARTITIONS))

    async def first_offset(self, partition: Partition) -> int:
        """Return the first offset."""
        return 0

    async def earliest_offset(self, partition: Partition) -> int:
        """Return the first offset."""
        return 0

    def resume(self, partition: Partition, offset: int) -> None:
        """Go on from here."""
        self._positions[partition] = offset

    def pause(self, partition: Partition) -> None:
        """Give none of these."""
        self._positions.pop(partition, None)

    async def mirror(self, offsets: Mapping[Partition, int]) -> None:
        """Nobody else looks."""

    def end_offset(self, partition: Partition) -> int | None:
        """Return the offset after the newest outcome."""
        return self._end()


def shapes(seed: int = 1) -> list[bytes]:
    """Return outcomes that lack their ids only; each agent has a success rate of its own."""
    rng = np.random.default_rng(seed)
    cells = list(product(range(AGENTS), range(TASK_TYPES)))
    rates = rng.beta(8, 2, AGENTS)
    return [
        (
            f'{{"event_id":"%d-%d","agent_name":"agent-{agent:03}","task_type":"task-{task:02}",'
            f'"status":"{"success" if rng.random() < rates[agent] else "failure"}",'
            f'"latency_ms":{rng.lognormal(6.5, 0.8):.1f},"quality_score":{rng.beta(8, 2):.3f},'
            f'"cost_usd":{rng.lognormal(-6.0, 0.7):.6f},'
            f'"context":{{"complexity":{rng.integers(1, 6)},"domain":"finance"}}}}'
        ).encode()
        for agent, task in (cells[place] for place in rng.integers(0, len(cells), SHAPES))
    ]


if __name__ == "__main__":
    rate = float(sys.argv[1])
    parts.outcome_log = lambda _, database, leases: (
        Endless(rate),
        EmbeddedLog(OutcomeLog(database), leases),
    )
    app(["serve", "--port", "0"])
