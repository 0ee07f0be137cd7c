"""What must hold at every moment; the first breach is kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from sqlalchemy import Connection, Row, select

from olearn_core.sources.source import Partition, Record
from olearn_core.storage.tables import learning_events, shards
from olearn_core.times import loop_seconds
from tests.simulation.broker import PartitionLog
from tests.simulation.loop import Process, current_process

BATCH, DATA_GAP = "batch", "data_gap"
GREEDY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Breach:
    """
    A rule that did not hold.

    :param rule: its name
    :param says: what was seen, and where
    """

    rule: str
    says: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.says}"


@dataclass(slots=True)
class Audit:
    """
    Sees every commit, every fetch and every slice that is learned.

    :ivar outage: tells which outage of the database there is now, if there is one
    :ivar stored: the header of each partition as last committed
    :ivar counts: what happened, by name
    """

    logs: dict[TopicPartition, PartitionLog]
    breach: Breach | None = None
    stored: dict[Partition, Row[Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    outage: Callable[[], int | None] = lambda: None
    _unsaved_since: dict[Process, tuple[int, float]] = field(default_factory=dict)
    _newest_row: int = 0
    _trace: Any = field(default_factory=hashlib.blake2b)

    def note(self, *what: object) -> None:
        """Write down what happens now."""
        self._trace.update(f"{asyncio.get_running_loop().time():.9f} {what}\n".encode())

    @property
    def trace(self) -> str:
        """A hash of all that was noted."""
        return str(self._trace.hexdigest())

    def fails(self, rule: str, says: str) -> None:
        """Note a breach; those that follow from the first say little."""
        if self.breach is None:
            self.breach = Breach(rule, says)

    def next_offset(self, partition: Partition) -> int:
        """Return where the database says that a partition goes on."""
        header = self.stored.get(partition)
        return 0 if header is None else header.next_offset or 0

    def committed(self, connection: Connection) -> None:
        """Look at what a transaction has left."""
        newer = select(learning_events).where(learning_events.c.id > self._newest_row)
        rows = connection.execute(newer.order_by(learning_events.c.id)).all()
        before = {header.id: header for header in self.stored.values()}
        headers = {header.id: header for header in connection.execute(select(shards)).all()}
        for row in rows:
            self.note(row.kind, row.shard_id, row.epoch, row.from_offset, row.to_offset)
            self._newest_row = row.id
            if row.kind in (BATCH, DATA_GAP):
                self._continues(row, before[row.shard_id], headers[row.shard_id])
        for header in headers.values():
            self.stored[Partition(header.topic, header.partition)] = header
            if header.id in before:
                self._goes_forward(before[header.id], header)

    def _continues(self, row: Row[Any], before: Row[Any], header: Row[Any]) -> None:
        """The ledger chains: every offset is applied by one update, in the order of epochs."""
        self.counts["checkpoints" if row.kind == BATCH else "data_gaps"] += 1
        where = f"{header.topic}/{header.partition} [{row.from_offset}, {row.to_offset})"
        if row.from_offset != before.next_offset:
            self.fails("ledger", f"{where} does not continue {before.next_offset}")
        if row.to_offset != header.next_offset:
            self.fails("ledger", f"{where} is not where the header stands: {header.next_offset}")
        if row.epoch != before.epoch:
            self.fails("epochs", f"{where} of epoch {row.epoch} saved during {before.epoch}")
        log = self.logs[TopicPartition(header.topic, header.partition)]
        if row.kind == DATA_GAP and row.to_offset > log.start:
            self.fails("data gap", f"{where} given up, but the log begins at {log.start}")

    def _goes_forward(self, before: Row[Any], after: Row[Any]) -> None:
        for name in ("epoch", "version", "next_offset"):
            older, newer = getattr(before, name), getattr(after, name)
            if older is not None and newer < older:
                where = f"{after.topic}/{after.partition}"
                self.fails("forward", f"{name} of {where} went from {older} back to {newer}")

    def loaded(self, partition: Partition, epoch: int, next_offset: int) -> None:
        """Whoever owns a partition begins where the database says."""
        header = self.stored[partition]
        if epoch == header.epoch and next_offset != header.next_offset:
            self.fails(
                "first offset",
                f"{partition} begins at {next_offset}, {header.next_offset} is stored",
            )

    def fetched(
        self, records: Mapping[Partition, Sequence[Record]], resumed: Collection[Partition]
    ) -> None:
        """A source is silent about a partition from its assignment until it is resumed."""
        self.note("fetched", *sorted((p.number, r[0].offset, len(r)) for p, r in records.items()))
        for partition in records:
            if partition not in resumed:
                self.fails("contract", f"{partition} was not resumed, but records of it came")
        self._is_modest(current_process())

    def _is_modest(self, process: Process) -> None:
        """Whoever has learned what it cannot save soon takes no more."""
        outage, since = self._unsaved_since.get(process, (None, 0.0))
        if outage is None or outage != self.outage():
            return
        seconds = loop_seconds() - max(since, process.thawed_at)
        if seconds > GREEDY_SECONDS:
            self.fails("memory", f"{process} takes records {seconds:.1f} s after it could not save")

    def _learns_unsaved(self, process: Process) -> None:
        outage = self.outage()
        if outage is not None and self._unsaved_since.get(process, (None,))[0] != outage:
            self._unsaved_since[process] = (outage, loop_seconds())

    def learns(self, partition: Partition, next_offset: int, records: Sequence[Record]) -> None:
        """Records are learned in their order, each once, none left out."""
        self._learns_unsaved(current_process())
        log = self.logs[TopicPartition(*partition)]
        learned = [record.offset for record in records]
        there = [record.offset for record in log.between(next_offset, learned[-1] + 1)]
        if learned != there:
            self.fails(
                "continuity",
                f"{partition}: {learned[0]}..{learned[-1]} learned at {next_offset}, but"
                f" {sorted(set(there) ^ set(learned))[:5]} passed over or learned twice",
            )
