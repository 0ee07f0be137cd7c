"""A shard of the log of decisions: how many were made, by agent, task type and hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from olearn_core.config import LearningSettings
from olearn_core.errors import EventError
from olearn_core.events import Outcome
from olearn_core.learning.shards.cells import CellFinder
from olearn_core.learning.shards.dedup import identity_hash
from olearn_core.learning.shards.reading import Slice, Taught, sliced
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.learning.shards.tick import Tick
from olearn_core.sources.source import Record
from olearn_core.statistics import OutcomeBatch
from olearn_core.statistics.arrays import BoolArray
from olearn_core.statistics.standard import DECIDED
from olearn_core.storage.decision_log import FORMAT, LoggedDecision, decode_decision

REMEMBERED = 100_000  # a batch that failed is written again at once: repeats come soon


class DecisionReader:
    """
    Reads logged decisions; they count as if the chosen agent had done something then.

    Those of releases that did not join outcomes are left out: they would never come back.
    """

    def read(self, records: Sequence[Record], finder: CellFinder, tick: Tick) -> Slice:
        """Return the decisions that count; note those that cannot be read in the tick."""
        taught, known_by = Taught([], [], {}), {}
        for record in records:
            try:
                decision = decode_decision(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                tick.refuse(record.offset, record.value, EventError(f"no decision: {error}", ""))
                continue
            if decision.format < FORMAT:
                tick.counts["not_counted"] += 1
                tick.skipped_offsets.append(record.offset)
                continue
            taught.records.append(record)
            taught.outcomes.append(_made(decision))
            known_by[record.offset] = identity_hash(decision.tenant, f"d{decision.nonce}")
        return sliced(taught, finder, tick, lambda kept: _identities(kept, known_by))


def _identities(taught: Taught, known_by: Mapping[int, bytes]) -> list[bytes]:
    return [known_by[record.offset] for record in taught.records]


def _made(decision: LoggedDecision) -> Outcome:
    return Outcome(
        tenant_id=decision.tenant,
        task_type=decision.task_type,
        agent_name=decision.agent,
        status="success",
        timestamp=decision.issued_at,
    )


class DecisionShard(Shard):
    """Counts the decisions of one partition of their log, in order and each once."""

    counts_decisions: ClassVar[bool] = True

    def __init__(self, state: ShardState, settings: LearningSettings) -> None:
        plain = settings.model_copy(update={"context_keys": (), "most_source_share": 1.0})
        super().__init__(state, (DECIDED,), DecisionReader(), plain)
        state.executions.resize(REMEMBERED)

    def _count(self, batch: OutcomeBatch, read: Slice, fresh: BoolArray, tick: Tick) -> None:
        del batch, read  # they are no outcomes
        tick.counts["decided"] += int(fresh.sum())
