"""A simulated fleet of agents: specialists, one who gets worse, one who joins late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olearn_core.config import DecisionSettings
from olearn_core.evaluation.tasks import Execution
from olearn_core.schemas import Component

FloatArray = NDArray[np.float64]

TASK_TYPES = ("code", "extract", "plan", "search", "summarise", "translate")

JOINS_AT = 0.30
DEGRADES_AT = 0.50
DEGRADED_SUCCESS = 0.02
DEGRADED_SLOWNESS = 3.0
ELSEWHERE = (0.25, 0.45)

LATENCY_SCALE_MS = 8_000.0
COST_SCALE_USD = 0.03
NOISE = 0.25
QUALITY_OF_SUCCESS, QUALITY_OF_FAILURE = 0.90, 0.25


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What kind of agent it is.

    :param specialities: success rates there; elsewhere it succeeds seldom
    :param latency_ms: usual latency, likewise its cost
    """

    name: str
    specialities: Mapping[str, float]
    latency_ms: float
    cost_usd: float


PROFILES = (
    Profile("analyst", {"extract": 0.95}, 1_200, 0.004),
    Profile("archivist", {"search": 0.94, "extract": 0.90}, 1_800, 0.006),
    Profile("coder", {"code": 0.94}, 2_400, 0.010),
    Profile("intern", {}, 500, 0.001),
    Profile("linguist", {"translate": 0.78}, 900, 0.003),
    Profile("planner", {"plan": 0.94}, 2_200, 0.009),
    Profile("polyglot", {"summarise": 0.97, "translate": 0.97}, 1_400, 0.006),
    Profile("writer", {"summarise": 0.78}, 1_100, 0.004),
)
AGENTS = tuple(profile.name for profile in PROFILES)
NEWCOMER = AGENTS.index("polyglot")
DEGRADED = AGENTS.index("analyst")


class Fleet:
    """
    A world of tasks and agents, the same for the same seed.

    What every agent would do with every task is drawn in advance, so that a
    choice can be held against all others.

    :ivar tasks: index of each task's type
    :ivar rewards: shape (tasks, agents), the service's default utility of what would come about
    :ivar expected: the same on average, -1 where the agent has not joined yet
    """

    def __init__(self, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.joins_at = round(JOINS_AT * size)
        self.degrades_at = round(DEGRADES_AT * size)
        vary = rng.uniform(0.8, 1.25, (2, len(AGENTS)))
        self.latency_ms = np.array([profile.latency_ms for profile in PROFILES]) * vary[0]
        self.cost_usd = np.array([profile.cost_usd for profile in PROFILES]) * vary[1]
        self.skill = _skills(rng)
        self.tasks = rng.integers(len(TASK_TYPES), size=size)
        self._draw(rng)
        self.rewards = utility(self._success, self._quality, self._latency, self._cost)
        self.expected = self._expected()

    def _draw(self, rng: np.random.Generator) -> None:
        shape = (self.size, len(AGENTS))
        slow, skill = self._slowness(), self._chances()
        self._success = (rng.random(shape) < skill).astype(np.float64)
        quality = np.where(self._success > 0, QUALITY_OF_SUCCESS, QUALITY_OF_FAILURE)
        self._quality = np.clip(quality + rng.normal(0.0, 0.08, shape), 0.0, 1.0)
        self._latency = self.latency_ms * slow * np.exp(rng.normal(0.0, NOISE, shape))
        self._cost = self.cost_usd * np.exp(rng.normal(0.0, NOISE, shape))

    def _chances(self) -> FloatArray:
        chances: FloatArray = self.skill[self.tasks]
        chances[self.degrades_at :, DEGRADED] = DEGRADED_SUCCESS
        return chances

    def _slowness(self) -> FloatArray:
        slow = np.ones((self.size, len(AGENTS)))
        slow[self.degrades_at :, DEGRADED] = DEGRADED_SLOWNESS
        return slow

    def _expected(self) -> FloatArray:
        mean = np.exp(NOISE**2 / 2)
        chances = self._chances()
        quality = QUALITY_OF_FAILURE + (QUALITY_OF_SUCCESS - QUALITY_OF_FAILURE) * chances
        latency = self.latency_ms * self._slowness() * mean
        expected = utility(chances, quality, latency, np.tile(self.cost_usd * mean, (self.size, 1)))
        expected[: self.joins_at, NEWCOMER] = -1.0
        return expected

    @property
    def best(self) -> NDArray[np.intp]:
        """The agent that suits each task best, of those that have joined."""
        best: NDArray[np.intp] = self.expected.argmax(axis=1)
        return best

    def available(self, number: int) -> Sequence[str]:
        """Return the agents that have joined when this task comes."""
        if number >= self.joins_at:
            return AGENTS
        return AGENTS[:NEWCOMER] + AGENTS[NEWCOMER + 1 :]

    def task_type(self, number: int) -> str:
        """Return a task's type."""
        return TASK_TYPES[int(self.tasks[number])]

    def execute(self, number: int, agent: int) -> Execution:
        """Return what the agent does with the task."""
        return Execution(
            success=float(self._success[number, agent]),
            quality=round(float(self._quality[number, agent]), 3),
            latency_ms=round(float(self._latency[number, agent]), 1),
            cost_usd=round(float(self._cost[number, agent]), 6),
        )


def utility(
    success: FloatArray, quality: FloatArray, latency_ms: FloatArray, cost_usd: FloatArray
) -> FloatArray:
    """Return the reward, weighed as the service does by default."""
    weights = DecisionSettings().weights
    scores: dict[Component, FloatArray] = {
        "success": success,
        "quality": quality,
        "latency": 1.0 - np.minimum(1.0, latency_ms / LATENCY_SCALE_MS),
        "cost": 1.0 - np.minimum(1.0, cost_usd / COST_SCALE_USD),
    }
    weighed = [weights.get(component, 0.0) * score for component, score in scores.items()]
    total: FloatArray = np.sum(weighed, axis=0) / sum(weights.values())
    return total


def _skills(rng: np.random.Generator) -> FloatArray:
    """Return success rates, shape (task types, agents)."""
    skill: FloatArray = rng.uniform(*ELSEWHERE, (len(TASK_TYPES), len(AGENTS)))
    for agent, profile in enumerate(PROFILES):
        for task_type, success in profile.specialities.items():
            skill[TASK_TYPES.index(task_type), agent] = success
    return skill
