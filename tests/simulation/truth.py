"""What the database must hold in the end, told from the logs alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, select

from olearn_core.statistics import Statistics, from_bytes
from olearn_core.storage.tables import dead_letters, learning_events, shard_bases, shard_deltas
from tests.simulation.audit import BATCH, DATA_GAP, Audit
from tests.simulation.broker import Written
from tests.support import oracle

CONTEXT_KEYS = ("complexity", "domain")

Cell = tuple[str, str, str, str, int]


@dataclass(slots=True)
class Truth:
    """
    What one partition's records come to.

    :ivar cells: sums by tenant, task type, agent, context and day
    """

    cells: dict[Cell, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[int] = field(default_factory=list)
    _seen: set[tuple[str, str, bool]] = field(default_factory=set)

    def add(self, record: Written, reference_seconds: float) -> None:
        """Count a record as one that came at this time."""
        self.counts["received"] += 1
        event = oracle.readable(record.value)
        if event is None:
            self.refused.append(record.offset)
            self.counts["dead_letters"] += 1
        elif event.get("status") in ("pending", "cancelled"):
            self.counts["not_taught"] += 1
        elif (identity := _identity(event)) in self._seen:
            self.counts["duplicates"] += 1
        else:
            self._seen.add(identity)
            self._learn(event, reference_seconds)

    def _learn(self, event: dict[str, Any], reference_seconds: float) -> None:
        self.counts["samples"] += 1
        tenant = event.get("tenant_id", "default")
        names = (tenant, oracle.task_of(event), event["agent_name"])
        day = _day(*oracle.bucket(event, reference_seconds))
        for context in ("", *oracle.contexts(event, CONTEXT_KEYS)):
            self.cells[*names, context, day].update(oracle.columns(event))


def _identity(event: dict[str, Any]) -> tuple[str, str, bool]:
    alone = oracle.status_of(event) is None
    return event.get("tenant_id", "default"), event["event_id"], alone


def _day(tier: int, number: int) -> int:
    """Hours become days at a time that depends on whose clock goes how: count in days."""
    return number // 24 if tier == 0 else number


def check(audit: Audit, connection: Connection) -> None:
    """Compare what is stored of every partition with what its log says."""
    for partition, header in sorted(audit.stored.items()):
        truth = Truth()
        query = select(learning_events).where(learning_events.c.shard_id == header.id)
        ledger = connection.execute(query.order_by(learning_events.c.from_offset)).all()
        log = next(log for p, log in audit.logs.items() if tuple(p) == tuple(partition))
        for row in ledger:
            if row.kind == BATCH:
                for record in log.between(row.from_offset, row.to_offset):
                    truth.add(record, row.reference_at)
        counted = {name: header.counters.get(name, 0) for name in truth.counts}
        _compare(audit, f"{partition} counters", counted, dict(truth.counts))
        _compare(audit, f"{partition} sums", _stored(connection, header.id), _plain(truth.cells))
        refused = _refused(connection, partition.number)
        _compare(audit, f"{partition} dead letters", refused, truth.refused)
        _all_there(audit, str(partition), header.next_offset, log.records, ledger)


def _compare(audit: Audit, what: str, stored: Any, expected: Any) -> None:
    if isinstance(stored, dict):
        both = {key: (stored.get(key), expected.get(key)) for key in {**stored, **expected}}
        wrong = {key: values for key, values in both.items() if values[0] != values[1]}
        if wrong:
            key = next(iter(wrong))
            audit.fails("truth", f"{what}: {len(wrong)} differ, {key} is {wrong[key]}")
    elif stored != expected:
        differ = sorted(set(stored) ^ set(expected))[:5]
        audit.fails("truth", f"{what}: {len(stored)}, not {len(expected)}; {differ}")


def _stored(connection: Connection, shard_id: int) -> dict[Cell, dict[str, int]]:
    """Return a shard's sums, its deltas put over its bases."""
    bases = select(shard_bases.c.sums).where(shard_bases.c.shard_id == shard_id)
    deltas = select(shard_deltas.c.sums).where(shard_deltas.c.shard_id == shard_id)
    blobs = [*connection.execute(bases).scalars()]
    blobs += connection.execute(deltas.order_by(shard_deltas.c.version)).scalars()
    tables = [from_bytes(blob) for blob in blobs]
    total = Statistics(tables[0].columns if tables else ())
    for table in tables:
        total.put(table)
    sums: dict[Cell, Counter[str]] = defaultdict(Counter)
    for cell, values in total.items():
        sums[*cell[:4], _day(*cell.bucket)].update(values)
    return _plain(sums)


def _plain(cells: dict[Cell, Counter[str]]) -> dict[Cell, dict[str, int]]:
    kept = {cell: {c: v for c, v in sums.items() if v} for cell, sums in cells.items()}
    return {cell: sums for cell, sums in kept.items() if sums}


def _refused(connection: Connection, partition: int) -> list[int]:
    query = select(dead_letters.c.offset).where(dead_letters.c.partition == partition)
    return list(connection.execute(query.order_by(dead_letters.c.offset)).scalars())


def _all_there(
    audit: Audit, name: str, next_offset: int, records: Sequence[Written], ledger: Iterable[Any]
) -> None:
    """No record is left over, but those that retention took and a data gap names."""
    if records and records[-1].offset >= next_offset:
        audit.fails("truth", f"{name}: {records[-1].offset} is not learned, {next_offset} stored")
    ranges = [(r.from_offset, r.to_offset) for r in ledger if r.kind in (BATCH, DATA_GAP)]
    for (_, end), (start, _) in pairwise(ranges):
        if start != end:
            audit.fails("ledger", f"{name}: what begins at {start} follows {end}")
