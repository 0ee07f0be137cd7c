"""
A shard that meets ever new names, in a process of its own so that its memory can be told.

Called with the arguments of `meet` as JSON, it prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from olearn_core.statistics import OTHER
from olearn_core.storage.tables import shard_bases, shard_deltas
from tests.promises.by_hand import ByHand, database_from, learn, template
from tests.support.events import outcome
from tests.support.workers import WrittenLog

SLICE = 2_000
SAVE_EVERY = 10
FIELDS = {"agent": "agent_name", "task_type": "task_type", "tenant": "tenant_id"}


def peak_megabytes() -> float:
    """Return the most memory that this program has ever held; `ru_maxrss` counts its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status["VmHWM"].split()[0]) / 1_024


def event(kind: str, number: int, names: int) -> bytes:
    """Return an outcome under a name of its own; after the last name the first comes again."""
    name = f"{kind}-{number % names}"
    if kind == "all":
        everywhere = dict.fromkeys(FIELDS.values(), name)
        return outcome(event_id=f"{number}", **everywhere, context={"domain": name})
    if kind == "context":
        return outcome(event_id=f"{number}", context={"domain": name, "complexity": number})
    return outcome(event_id=f"{number}", **{FIELDS[kind]: name})


def slices(kind: str, names: int, events: int) -> Iterator[list[bytes]]:
    for start in range(0, events, SLICE):
        yield [event(kind, n, names) for n in range(start, min(events, start + SLICE))]


async def meet(folder: Path, kind: str, names: int, events: int, **learning: Any) -> dict[str, Any]:
    """Learn and save; return how large everything is, after a tenth and in the end."""
    log, tenth = WrittenLog(), 0.0
    async with database_from(await template(folder)) as database:
        hand = ByHand(database, log, **learning)
        await hand.start()
        for number, values in enumerate(slices(kind, names, events)):
            learn(hand.shard, values)
            if number % SAVE_EVERY == 0:
                await hand.save()
            if (number + 1) * SLICE <= events // 10:
                tenth = peak_megabytes()
        await hand.save()
        table = hand.shard.table
        return {
            "rows": len(table),
            "executions": table.totals()["executions"],
            "other": sum(OTHER in f"{cell}" for cell in table.rows),
            "names": {
                field: len({getattr(cell, field) for cell in table.rows})
                for field in ("tenant", "task_type", "agent", "context")
            },
            "tenth_megabytes": tenth,
            "peak_megabytes": peak_megabytes(),
            "stored_bytes": await stored_bytes(database),
        }


async def stored_bytes(database: Any) -> int:
    async with database.read() as connection:
        sizes = [
            (await connection.execute(select(func.sum(func.length(table.c.sums))))).scalar() or 0
            for table in (shard_bases, shard_deltas)
        ]
    return sum(sizes)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(meet(Path(folder), **json.loads(sys.argv[1])))))
