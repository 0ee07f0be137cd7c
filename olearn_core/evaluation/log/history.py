"""A stretch of a service's log: what it decided, what came of it, what it learned when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from olearn_core.errors import EventError, TokenError
from olearn_core.evaluation.log.rewards import Reward, rewards
from olearn_core.events import Outcome, decode_outcome
from olearn_core.sources.source import Record
from olearn_core.statistics import FloatArray
from olearn_core.storage.decision_log import FORMAT, LOGGING, LoggedDecision
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.tokens import SigningKey, verify

Keys = Mapping[int, SigningKey]

NOTHING = Outcome()
NOT_TAUGHT = frozenset({"pending", "cancelled"})
TICK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class History:
    """
    Decisions with their rewards, and the outcomes that were known before each.

    :param decisions: in the order of their time
    :param rewards: one a decision, NaN where no outcome came
    :param records: outcomes as they were learned, in this order, joined or not
    :param known: how many of them were known at each decision
    :param keys: that the records' decision_ids are signed with
    :param left_out: decisions that cannot be used, by reason
    """

    decisions: Sequence[LoggedDecision]
    rewards: FloatArray
    records: Sequence[LoggedRecord]
    known: NDArray[np.int64]
    keys: Keys = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def joined(
        cls,
        decisions: Sequence[LoggedDecision],
        records: Sequence[Record],
        keys: Keys,
        reward: Reward,
    ) -> Self:
        """
        Join outcomes to decisions by the nonce of their decision_id.

        An outcome is known after the moment its record was written, and never
        before its own decision was made, however clocks differ.
        """
        usable, left_out = _usable(decisions)
        parts = _Parts({decision.nonce: decision for decision in usable}, keys)
        times = np.array([parts.add(record) for record in records], dtype=np.float64)
        order = np.argsort(times, kind="stable")
        issued = [decision.issued_at.timestamp() for decision in usable]
        return cls(
            decisions=usable,
            rewards=parts.rewards(usable, reward),
            records=[_numbered(records[i], place) for place, i in enumerate(order.tolist())],
            known=np.searchsorted(times[order], np.array(issued), side="right"),
            keys=keys,
            left_out=left_out,
        )


def _usable(
    decisions: Sequence[LoggedDecision],
) -> tuple[list[LoggedDecision], Mapping[str, int]]:
    """Return each decision once, in order of time, and count those that contradict themselves."""
    left_out: Counter[str] = Counter()
    found: dict[str, LoggedDecision] = {}
    for decision in decisions:
        if reason := contradiction(decision):
            left_out[reason] += 1
        else:
            found.setdefault(decision.nonce, decision)
    return sorted(found.values(), key=lambda decision: decision.issued_at), left_out


def contradiction(decision: LoggedDecision) -> str | None:
    """Return what is wrong with a record, None where it is whole."""
    if not _is_known(decision):
        return "its propensity is not known"
    law = np.asarray(decision.law, dtype=np.float64)
    if len(law) != len(decision.agents) or len(set(decision.agents)) != len(law):
        return "its agents and its law do not match"
    if not np.all(law >= 0) or abs(law.sum() - 1) > 1e-6:
        return "its law does not sum to 1"
    if decision.agent not in decision.agents:
        return "its agent was not eligible"
    propensity = decision.propensity or 0.0
    if abs(law[list(decision.agents).index(decision.agent)] - propensity) > 1e-6:
        return "its propensity is not its law's"
    return None if propensity > 0 else "its agent had no chance to be drawn"


def _is_known(decision: LoggedDecision) -> bool:
    """Earlier releases took down 1 where a caller had said nothing: that may be true or not."""
    assumed = decision.format < FORMAT and decision.mode == LOGGING and decision.propensity == 1.0
    return decision.propensity is not None and not assumed


def _numbered(record: Record, place: int) -> LoggedRecord:
    return LoggedRecord(place, record.value, record.timestamp, record.headers)


class _Parts:
    """
    Executions and ratings of decisions, the first of each; repeats count nothing.

    :param wanted: decisions by nonce
    """

    def __init__(self, wanted: Mapping[str, LoggedDecision], keys: Keys) -> None:
        self._wanted = wanted
        self._keys = keys
        self._executions: dict[str, Outcome] = {}
        self._ratings: dict[str, Outcome] = {}

    def add(self, record: Record) -> float:
        """Take an outcome's part; return the Unix seconds from which it is known."""
        at = record.timestamp / 1_000
        decision, outcome = self._decision(record.value)
        if decision is None or outcome is None:
            return at + TICK_SECONDS
        if outcome.agent_name == decision.agent and outcome.status not in NOT_TAUGHT:
            kept = self._ratings if outcome.status is None else self._executions
            kept.setdefault(decision.nonce, outcome)
        return max(at, decision.issued_at.timestamp()) + TICK_SECONDS

    def _decision(self, value: bytes | None) -> tuple[LoggedDecision | None, Outcome | None]:
        try:
            outcome = decode_outcome(value)
            decided = verify(self._keys, outcome.decision_id or "")
        except (EventError, TokenError):
            return None, None
        decision = self._wanted.get(decided.nonce.hex())
        ours = decision is not None and decision.tenant == outcome.tenant
        return (decision, outcome) if ours else (None, None)

    def rewards(self, decisions: Sequence[LoggedDecision], reward: Reward) -> FloatArray:
        """Return the reward of each decision, NaN where no outcome came."""
        return rewards(
            [self._executions.get(decision.nonce, NOTHING) for decision in decisions],
            [self._ratings.get(decision.nonce, NOTHING) for decision in decisions],
            [reward.of(decision.utility) for decision in decisions],
        )
