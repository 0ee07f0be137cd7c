"""Small worlds in which every agent's success rate is known, and logs drawn in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olearn_core.evaluation.log.off_policy import Sample
from olearn_core.statistics import FloatArray

RATES = np.array(
    [
        [0.85, 0.60, 0.45, 0.70],
        [0.50, 0.80, 0.55, 0.65],
        [0.40, 0.45, 0.90, 0.75],
    ]
)
AGENTS = RATES.shape[1]
OVERALL_BEST = int(RATES.mean(axis=0).argmax())


@dataclass(frozen=True)
class Logged:
    """A log: decisions of a policy that learns, in time that runs with their number."""

    tasks: np.ndarray
    law: FloatArray
    drawn: np.ndarray
    rewards: FloatArray
    predicted: FloatArray

    def sample(self, target: FloatArray) -> Sample:
        return Sample(self.law, target, self.predicted, self.drawn, self.rewards)

    def truth(self, target: FloatArray) -> float:
        """Return what the target earns on these tasks on average."""
        return float((target * RATES[self.tasks]).sum(axis=1).mean())


def log(seed: int, size: int, floor: float) -> Logged:
    """
    Return decisions of a policy that finds the best agents as time goes by.

    Expectations are means over what came before, whatever the task type.
    """
    rng = np.random.default_rng(seed)
    tasks = rng.integers(len(RATES), size=size)
    law = floored(drifting(tasks), floor)
    drawn = draws(rng, law)
    rewards = (rng.random(size) < RATES[tasks, drawn]).astype(np.float64)
    return Logged(tasks, law, drawn, rewards, before(drawn, rewards))


def drifting(tasks: np.ndarray) -> FloatArray:
    """Return laws that favour an agent at random first, the best one later."""
    sharpness = np.linspace(0.0, 12.0, len(tasks))[:, None]
    law = np.exp(sharpness * RATES[tasks])
    return law / law.sum(axis=1, keepdims=True)


def floored(law: FloatArray, floor: float) -> FloatArray:
    return (1 - floor) * law + floor / law.shape[1]


def draws(rng: np.random.Generator, law: FloatArray) -> np.ndarray:
    points = rng.random(len(law))[:, None]
    return np.minimum((np.cumsum(law, axis=1) < points).sum(axis=1), law.shape[1] - 1)


def before(drawn: np.ndarray, rewards: FloatArray) -> FloatArray:
    """Return each agent's mean reward before each decision, a half while there is none."""
    chosen = np.zeros((len(drawn), AGENTS))
    chosen[np.arange(len(drawn)), drawn] = 1.0
    counts = np.cumsum(chosen, axis=0) - chosen
    earned = chosen * rewards[:, None]
    sums = np.cumsum(earned, axis=0) - earned
    return (sums + 0.5) / (counts + 1.0)


def always(agent: int, size: int) -> FloatArray:
    law = np.zeros((size, AGENTS))
    law[:, agent] = 1.0
    return law


def best(tasks: np.ndarray) -> FloatArray:
    """Return the law that always takes the best agent of the task type."""
    law = np.zeros((len(tasks), AGENTS))
    law[np.arange(len(tasks)), RATES[tasks].argmax(axis=1)] = 1.0
    return law
