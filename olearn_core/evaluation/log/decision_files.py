"""Files of joined decisions: one decision a line, with what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from olearn_core.evaluation.json_lines import DataFileError, read_json_lines
from olearn_core.evaluation.log.history import NOT_TAUGHT, NOTHING, History, contradiction
from olearn_core.evaluation.log.rewards import Reward, rewards
from olearn_core.events import (
    DEFAULT,
    Amount,
    Name,
    Outcome,
    Score,
    Status,
    decode_outcome,
    encode_outcome,
)
from olearn_core.models import Utility
from olearn_core.statistics import FloatArray
from olearn_core.storage.decision_log import ONLINE, LoggedDecision, loggable
from olearn_core.storage.outcome_log import LoggedRecord

SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)
OUTCOME_FIELDS = ("status", "success", "quality_score", "latency_ms", "cost_usd")


class DecisionLine(msgspec.Struct, frozen=True):
    """
    A decision and what came of it: outcome's fields, a reward, or nothing.

    :param law: the probabilities that were drawn from, in the order of `agents`
    :param propensity: the drawn agent's, where it is written down as well
    """

    agents: Annotated[list[Name], Meta(min_length=1)]
    law: list[Score]
    agent: Name
    propensity: Score | None = None
    tenant: Name = DEFAULT
    task_type: Name = DEFAULT
    context: dict[str, Any] = {}
    utility: Utility | None = None
    reward: Score | None = None
    status: Status | None = None
    success: bool | None = None
    quality_score: Score | None = None
    latency_ms: Amount | None = None
    cost_usd: Amount | None = None

    @property
    def says_outcome(self) -> bool:
        """Whether it has the fields of an outcome that teaches."""
        said = (self.status, self.success, self.quality_score)
        return self.status not in NOT_TAUGHT and any(value is not None for value in said)


_decoder = msgspec.json.Decoder(DecisionLine)
_LIKE = '{"agents": ["atlas", "borealis"], "law": [0.9, 0.1], "agent": "atlas", "reward": 0.8}'


def read_decisions(
    path: Path, reward: Reward, weights: Mapping[str, float], tenant: str | None = None
) -> History:
    """
    Read a file of decisions; the outcome of each is known before the next.

    A reward without the fields of an outcome is learned as a quality.

    :param weights: of decisions that say nothing of their utility
    :param tenant: whose decisions are taken, None for everybody's
    :raises DataFileError: naming the first line that is wrong
    """
    found = enumerate(read_json_lines(path, _decoder, "decision", _LIKE), start=1)
    numbered = [(number, line) for number, line in found if tenant in (None, line.tenant)]
    for number, line in numbered:
        if problem := _problem(line, reward):
            raise DataFileError(f"{path}, decision {number}: {problem}")
    lines = [line for _, line in numbered]
    decisions = [_decision(number, line, weights) for number, line in numbered]
    values = [_taught(line) for line in lines]
    there = np.array([value is not None for value in values], dtype=np.int64)
    return History(
        decisions=decisions,
        rewards=_rewards(lines, decisions, reward),
        records=[_record(n, value) for n, value in enumerate(filter(None, values))],
        known=np.cumsum(there) - there,
    )


def _problem(line: DecisionLine, reward: Reward) -> str | None:
    if found := contradiction(_decision(0, line, {})):
        return found
    if line.says_outcome and line.reward is None and line.utility is None and reward.is_utility:
        return (
            "it has neither a reward nor a utility (weights, latency_scale_ms, cost_scale_usd):"
            " give one, or take --reward success or --reward quality"
        )
    return None


def _decision(number: int, line: DecisionLine, weights: Mapping[str, float]) -> LoggedDecision:
    chances = dict(zip(line.agents, line.law, strict=False))
    bare = line.reward is not None and not line.says_outcome
    return LoggedDecision(
        nonce=f"{number:024x}",
        tenant=line.tenant,
        task_type=line.task_type,
        context=loggable(line.context),
        agents=line.agents,
        law=line.law,
        scores=[],
        agent=line.agent,
        propensity=chances.get(line.agent, 0.0) if line.propensity is None else line.propensity,
        utility=line.utility or Utility({"quality": 1.0} if bare else dict(weights)),
        policy="",
        mode=ONLINE,
        view_version=0,
        issued_at=SOME_TIME,
    )


def _taught(line: DecisionLine) -> bytes | None:
    """Return the outcome that the learner is told, None for none."""
    fields: dict[str, Any] = {
        "agent_name": line.agent,
        "tenant_id": line.tenant,
        "task_type": line.task_type,
        "context": loggable(line.context),
    }
    if line.says_outcome:
        said = {name: getattr(line, name) for name in OUTCOME_FIELDS}
        return encode_outcome(fields | {k: v for k, v in said.items() if v is not None})
    if line.reward is not None:
        return encode_outcome(fields | {"quality_score": line.reward})
    return None


def _record(place: int, value: bytes) -> LoggedRecord:
    return LoggedRecord(place, value, int(SOME_TIME.timestamp() * 1_000))


def _rewards(
    lines: Sequence[DecisionLine], decisions: Sequence[LoggedDecision], reward: Reward
) -> FloatArray:
    """Return the given rewards, and those that follow from the outcomes' fields."""
    outcomes = [_outcome(line) for line in lines]
    counted = [reward.of(decision.utility) for decision in decisions]
    earned = rewards(outcomes, [NOTHING] * len(outcomes), counted)
    if reward.is_utility:
        given = [np.nan if line.reward is None else line.reward for line in lines]
        earned = np.where(np.isnan(given), earned, given)
    return earned


def _outcome(line: DecisionLine) -> Outcome:
    value = _taught(line) if line.says_outcome else None
    return NOTHING if value is None else decode_outcome(value)
