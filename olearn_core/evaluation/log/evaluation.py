"""What other policies would have earned on a recorded stretch of a service's log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from olearn_core.config import Settings
from olearn_core.evaluation.log.history import History
from olearn_core.evaluation.log.learner import LogLearner
from olearn_core.evaluation.log.off_policy import Sample, effective
from olearn_core.evaluation.log.rewards import Reward
from olearn_core.evaluation.log.targets import Target
from olearn_core.evaluation.log.trust import Judged, judged_all, mean_weight, misdrawn
from olearn_core.plugins import Models
from olearn_core.statistics import FloatArray
from olearn_core.storage.decision_log import LoggedDecision

LEAST_BLOCK = 10
MOST_BLOCKS = 1_000


@dataclass(frozen=True, slots=True)
class TargetResult:
    """
    What one law would have earned.

    :param decisions: that it was evaluated on
    :param not_eligible: decisions with an outcome in which it had no choice
    :param mean_weight: 1 where the log's propensities are true
    """

    target: str
    decisions: int
    not_eligible: int
    mean_weight: float
    mean_weight_se: float
    effective_samples: float
    estimates: Sequence[Judged]


@dataclass(frozen=True, slots=True)
class LogEvaluation:
    """
    What a log says.

    :param joined: decisions with a reward
    :param left_out: decisions that contradict themselves, by reason
    :param misdrawn: what shows that the logged laws are not those that were drawn from
    """

    decisions: int
    joined: int
    left_out: Mapping[str, int]
    misdrawn: str | None
    targets: Sequence[TargetResult]

    @property
    def dangling_share(self) -> float:
        """Share of the decisions that no outcome came for."""
        return 1.0 - self.joined / self.decisions if self.decisions else 0.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One decision with its reward; laws and predictions in the order of its agents."""

    decision: LoggedDecision
    reward: float
    predicted: FloatArray
    targets: Sequence[FloatArray | None]


def evaluate_history(
    history: History,
    targets: Sequence[str],
    models: Models,
    settings: Settings,
    reward: Reward,
    least_effective: float,
) -> LogEvaluation:
    """
    Evaluate targets by name on a stretch of the log.

    Everything that a target's law or an expectation stands on was known before
    the decision; both are brought up to date every so many decisions.

    :param least_effective: estimates that stand on fewer effective samples are refused
    :raises ConfigError: for a target that is not known
    """
    wanted = [Target(name, models.policies) for name in targets]
    learner = LogLearner(models, settings, history.keys)
    rows = list(_rows(history, wanted, learner, reward))
    wrong = misdrawn(history.decisions)
    return LogEvaluation(
        decisions=len(history.decisions),
        joined=len(rows),
        left_out=history.left_out,
        misdrawn=wrong,
        targets=[
            _result(target.name, rows, place, least_effective, wrong)
            for place, target in enumerate(wanted)
        ],
    )


def _rows(
    history: History, targets: Sequence[Target], learner: LogLearner, reward: Reward
) -> Iterator[_Row]:
    learned = 0
    for block in _blocks(len(history.decisions)):
        first = history.decisions[block.start]
        known = int(history.known[block.start])
        learner.learn(history.records[learned:known], first.issued_at.timestamp())
        learned = known
        for number in block:
            decision, earned = history.decisions[number], float(history.rewards[number])
            if not np.isnan(earned):
                predicted = learner.expected(decision, reward.of(decision.utility))
                laws = [target.law(decision, learner) for target in targets]
                yield _Row(decision, earned, predicted, laws)


def _blocks(size: int) -> Iterator[range]:
    length = max(LEAST_BLOCK, -(-size // MOST_BLOCKS))
    for start in range(0, size, length):
        yield range(start, min(size, start + length))


def _result(
    name: str, rows: Sequence[_Row], place: int, least_effective: float, wrong: str | None
) -> TargetResult:
    laws = [row.targets[place] for row in rows]
    eligible = [(row, law) for row, law in zip(rows, laws, strict=True) if law is not None]
    sample = _sample(eligible)
    mean, se = mean_weight(sample)
    return TargetResult(
        target=name,
        decisions=len(eligible),
        not_eligible=len(rows) - len(eligible),
        mean_weight=mean,
        mean_weight_se=se,
        effective_samples=effective(sample.weights),
        estimates=judged_all(sample, least_effective, wrong),
    )


def _sample(rows: Sequence[tuple[_Row, FloatArray]]) -> Sample:
    width = max((len(law) for _, law in rows), default=1)
    return Sample(
        logged=_padded([row.decision.law for row, _ in rows], width),
        target=_padded([law for _, law in rows], width),
        predicted=_padded([row.predicted for row, _ in rows], width),
        drawn=np.array([_place(row.decision) for row, _ in rows], dtype=np.int64),
        rewards=np.array([row.reward for row, _ in rows], dtype=np.float64),
    )


def _place(decision: LoggedDecision) -> int:
    return list(decision.agents).index(decision.agent)


def _padded(rows: Sequence[Sequence[float] | FloatArray], width: int) -> FloatArray:
    padded = np.zeros((len(rows), width))
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
