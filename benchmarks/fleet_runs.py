"""What the pictures of docs/choosing.md show: a simulated fleet, and who chose whom."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from olearn_core.config import DecisionSettings, LearningSettings, Settings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.question import Question
from olearn_core.evaluation.fleet import AGENTS, TASK_TYPES, Fleet
from olearn_core.evaluation.log.decision_files import read_decisions
from olearn_core.evaluation.log.evaluation import TargetResult, evaluate_history
from olearn_core.evaluation.log.rewards import Reward as Counted
from olearn_core.evaluation.playing.learned_table import LearnedTable, spelling
from olearn_core.evaluation.playing.match import Board, Rules, play
from olearn_core.evaluation.playing.player import Player, Seen
from olearn_core.evaluation.playing.policy_player import Recorded
from olearn_core.evaluation.playing.pool import Pool, Reward
from olearn_core.evaluation.playing.references import references
from olearn_core.evaluation.playing.world import World
from olearn_core.evaluation.tasks import Task
from olearn_core.events import DEFAULT
from olearn_core.models import Query
from olearn_core.plugins import Plugins
from olearn_core.statistics import FloatArray, IntArray
from olearn_core.tokens import SigningKey

TASKS = 3_000
SEED = 7
RUNS = 10
SHOWN_TYPE = "summarise"
SHOWN_AGENTS = ("polyglot", "writer", "archivist", "planner")
MOMENTS = (20, 40, 600)
WINDOW = 150  # decisions that a share is the mean of
REFERENCES = ("ts_per_type", "lin_ts")
LEAST_EFFECTIVE = 100.0
SUCCESS: Mapping[str, float] = {"success": 1.0}
UNUSED_KEY = SigningKey(0, b"pictures")


@dataclass(frozen=True, slots=True)
class Moment:
    """What is believed of the shown agents, and the law over them."""

    number: int
    mean: FloatArray
    sd: FloatArray
    law: Sequence[float]


@dataclass(frozen=True, slots=True)
class Record:
    """
    What a policy did.

    :param best_share: of the last WINDOW choices, how many were the agent with the
        largest mean reward on the task's type; from the first WINDOW decisions on
    :param means: rewards, one an order of the tasks
    """

    best_share: FloatArray
    means: FloatArray


class Chooser:
    """
    The service's own decision path as a player that writes everything down.

    :ivar lines: a line a decision, as `olearn evaluate --decisions` reads them
    :ivar moments: beliefs at MOMENTS
    """

    def __init__(
        self,
        pool: Pool,
        rng: np.random.Generator,
        floor: float = 0.01,
        reward: Reward = "success",
    ) -> None:
        models = Plugins.found().models("agent_selection", {})
        self._pool, self._rng = pool, rng
        self._weights = pool.weights(reward)
        self._recorded = Recorded(pool, models)
        self._table = LearnedTable(models.column_names, LearningSettings())
        settings = DecisionSettings(exploration_floor=floor)
        self._decider = Decider(
            self._table, models, settings, lambda: UNUSED_KEY, clock=lambda: self._table.as_of
        )
        self.lines: list[dict[str, object]] = []
        self.moments: list[Moment] = []

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Draw from the law and note both."""
        self._table.at(at_seconds)
        agents = [self._pool.agents[arm] for arm in eligible]
        kind = self._pool.task_types[task]
        if len(self.lines) in MOMENTS:
            self.moments.append(self._moment())
        law = self._law(kind, agents)
        drawn = int(self._rng.choice(len(law), p=law))
        arm = eligible[drawn]
        success = bool(self._pool.success[task, arm])
        line = {"task_type": kind, "agents": agents, "law": law, "agent": agents[drawn]}
        self.lines.append({**line, "success": success})
        return arm

    def learn(self, seen: Seen) -> None:
        """Learn a batch, each outcome at its time."""
        pool = self._pool
        cells = zip(seen.tasks.tolist(), seen.arms.tolist(), strict=True)
        spelt = [spelling(pool.task_types[task], pool.agents[arm], {}) for task, arm in cells]
        values = self._recorded.of(seen.tasks, seen.sources)
        self._table.learn(spelt, values, seen.at_seconds.tolist())

    def _law(self, kind: str, agents: Sequence[str]) -> list[float]:
        question = Question(
            DEFAULT, kind, {}, eligible=agents, weights=self._weights, scales=self._pool.scales
        )
        return list(self._decider.law(question).listed)

    def _moment(self) -> Moment:
        query = Query(SHOWN_TYPE, SHOWN_AGENTS, {})
        believed = self._decider.estimate("success_prediction", DEFAULT, query)
        law = self._law(SHOWN_TYPE, SHOWN_AGENTS)
        return Moment(len(self.lines), believed.mean, believed.contrast_sd, law)


class Noting:
    """A player whose choices are noted."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.arms: list[int] = []

    def choose(self, task: int, eligible: Sequence[int], at_seconds: float) -> int:
        """Let the player choose."""
        self.arms.append(self._player.choose(task, eligible, at_seconds))
        return self.arms[-1]

    def learn(self, seen: Seen) -> None:
        """Let the player learn."""
        self._player.learn(seen)


def made() -> tuple[Pool, FloatArray]:
    """Return a pool before anybody degrades, and each agent's true success rate by task."""
    fleet = Fleet(2 * TASKS, SEED)
    tasks = [
        Task(
            task_id=str(number),
            task_type=fleet.task_type(number),
            outcomes={agent: fleet.execute(number, arm) for arm, agent in enumerate(AGENTS)},
        )
        for number in range(TASKS)
    ]
    chances: FloatArray = fleet.skill[fleet.tasks[:TASKS]]
    return Pool.of([tasks], AGENTS), chances


def played(pool: Pool, reward: Reward) -> dict[str, Record]:
    """Return the record of each policy over RUNS orders of the tasks."""
    best, world = _best(pool, reward), World(pool, ())
    known = references(pool)
    hits: dict[str, list[FloatArray]] = {name: [] for name in ("agent_selection", *REFERENCES)}
    earned: dict[str, list[float]] = {name: [] for name in hits}
    for seed in range(RUNS):
        board = Board(world, Rules(reward), seed)
        for name, chosen_best in hits.items():
            rng = np.random.default_rng(seed)
            player = known[name](rng) if name in known else Chooser(pool, rng, reward=reward)
            noting = Noting(player)
            earned[name].append(float(play(noting, board).mean()))
            chosen_best.append((np.array(noting.arms) == best[board.order]).astype(np.float64))
    return {name: Record(_smooth(hits[name]), np.array(earned[name])) for name in hits}


def _smooth(runs: Sequence[FloatArray]) -> FloatArray:
    return np.convolve(np.mean(runs, axis=0), np.ones(WINDOW) / WINDOW, "valid")


def _best(pool: Pool, reward: Reward) -> IntArray:
    rewards, types = pool.rewards(reward), np.array(pool.task_types)
    best = {kind: int(rewards[types == kind].mean(axis=0).argmax()) for kind in TASK_TYPES}
    return np.array([best[kind] for kind in pool.task_types], dtype=np.int64)


def chosen(pool: Pool, floor: float) -> Chooser:
    """Return a chooser that has gone through the pool once."""
    chooser = Chooser(pool, np.random.default_rng(SEED), floor)
    play(chooser, Board(World(pool, ()), Rules(), SEED))
    return chooser


def evaluated(chooser: Chooser) -> Sequence[TargetResult]:
    """Return what other laws would have earned, told from the chooser's log alone."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "decisions.jsonl")
        file.write_bytes(b"\n".join(msgspec.json.encode(line) for line in chooser.lines))
        history = read_decisions(file, Counted.SUCCESS, SUCCESS)
    models = Plugins.found().models("agent_selection", {})
    targets = ["uniform", *(f"always:{agent}" for agent in AGENTS)]
    return evaluate_history(
        history, targets, models, Settings(), Counted.SUCCESS, LEAST_EFFECTIVE
    ).targets
