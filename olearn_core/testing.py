"""
What plugin authors test with: one call checks what the service relies on.

    from olearn_core.testing import check_plugin

    def test_my_plugin_keeps_its_promises():
        check_plugin(my_plugin)
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from olearn_core.events import DEFAULT, Outcome, Status
from olearn_core.learning.views.tenants import TableIndex, TenantSpace, weighed
from olearn_core.models import Choice, Estimate, Policy, Predictor, Query, Scores, Sums, Utility
from olearn_core.models.sums import empty_sums
from olearn_core.plugins import Plugins
from olearn_core.statistics import (
    Cell,
    Column,
    FloatArray,
    OutcomeBatch,
    Statistics,
    Weighting,
    place,
    standard,
)

NOW_SECONDS = 1_800_000_000.0
TASKS = ("write", "search", "plan")
AGENTS = ("atlas", "borealis", "cygnus", "draco")
STATUSES: tuple[Status, ...] = ("success", "failure", "partial", "timeout")
EVENTS = 400


def check_plugin(plugin: object, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """
    Check that a plugin loads beside the bundled ones and that its models keep the contract.

    :param plugin: the module that the entry point names
    :param options: options by model name
    :raises AssertionError: naming the promise that is broken
    """
    plugins = Plugins()
    info = plugins.register(plugin, "checked")
    assert info.problem is None, f"the plugin does not load: {info.problem}"
    assert info.models, "the plugin provides no model"
    for model in plugins.made(options or {}).values():
        if isinstance(model, Predictor):
            check_predictor(model)
        else:
            check_policy(model)


def check_predictor(predictor: Predictor[Any]) -> None:
    """Check a predictor on empty, small and larger sums."""
    assert predictor.count in predictor.columns, f"{predictor.name}: count is not among columns"
    names = [column.name for column in predictor.columns]
    for sums in (empty_sums(names), made_sums(predictor.columns)):
        for agents in (AGENTS, ("atlas",), ("a newcomer", *reversed(AGENTS))):
            for task_type in (*TASKS, "never seen"):
                _check_estimate(predictor, sums, Query(task_type, agents))


def _check_estimate(predictor: Predictor[Any], sums: Sums, query: Query) -> None:
    before = sums.values.copy()
    estimate = predictor.estimate(sums, query)
    name = predictor.name
    assert np.array_equal(before, sums.values), f"{name}: estimate changes the sums"
    for field in ("mean", "sd", "contrast_sd", "effective_n", "low", "high"):
        values = getattr(estimate, field)
        assert values.shape == (len(query.agents),), f"{name}: {field} has a wrong shape"
        assert np.all(np.isfinite(values)), f"{name}: {field} is not finite"
    assert np.all(estimate.low <= estimate.mean + 1e-9), f"{name}: low is above the mean"
    assert np.all(estimate.mean <= estimate.high + 1e-9), f"{name}: high is below the mean"
    assert np.all(estimate.contrast_sd >= 0), f"{name}: contrast_sd is negative"
    again = predictor.estimate(sums, Query(query.task_type, tuple(reversed(query.agents))))
    same = np.allclose(again.mean[::-1], estimate.mean)
    assert same, f"{name}: an agent's estimate depends on the order of the agents"


def check_policy(policy: Policy[Any]) -> None:
    """Check a policy's law on one, two and many agents, known and new."""
    for agents in (("atlas",), ("atlas", "a newcomer"), AGENTS):
        choice = made_choice(policy.columns, agents)
        law = policy.choose(choice, Utility())
        assert law.shape == (len(agents),), f"{policy.name}: the law has a wrong shape"
        assert np.all(law >= 0), f"{policy.name}: a probability is negative"
        assert abs(law.sum() - 1) < 1e-6, f"{policy.name}: the law does not sum to 1"
        again = policy.choose(made_choice(policy.columns, agents), Utility())
        assert np.array_equal(law, again), f"{policy.name}: the same choice has two laws"


def made_outcomes(events: int = EVENTS, seed: int = 7) -> list[Outcome]:
    """Return outcomes of a small invented fleet."""
    source = random.Random(seed)
    return [
        Outcome(
            agent_name=source.choice(AGENTS),
            task_type=source.choice(TASKS),
            status=source.choice(STATUSES),
            latency_ms=source.lognormvariate(6.5, 0.6),
            quality_score=source.random(),
            cost_usd=source.lognormvariate(-6.0, 0.4),
        )
        for _ in range(events)
    ]


def made_sums(columns: Sequence[Column], weighting: Weighting | None = None) -> Sums:
    """Return the sums of these columns over `made_outcomes`."""
    outcomes = made_outcomes()
    batch = OutcomeBatch.of(outcomes)
    table = Statistics([column.name for column in columns])
    values = np.stack([column.integers(batch) for column in columns], axis=1)
    bucket = place(NOW_SECONDS, NOW_SECONDS)
    for outcome, row in zip(outcomes, values, strict=True):
        cell = Cell(DEFAULT, outcome.task, outcome.agent_name or "", "", bucket)
        table.add([cell], row[None])
    spaces: dict[str, TenantSpace] = {}
    index = TableIndex(table, spaces)
    index.rows_of(DEFAULT)
    return weighed(
        DEFAULT,
        spaces[DEFAULT],
        [index],
        table.columns,
        weighting or Weighting(),
        table.columns[0],
        NOW_SECONDS,
    )


def made_choice(columns: Sequence[Column], agents: Sequence[str]) -> Choice:
    """Return a choice among agents whose expected utilities rise."""
    means = np.linspace(0.4, 0.7, len(agents))
    spread = np.full(len(agents), 0.05)
    sums = made_sums(columns or (standard.EXECUTIONS,))
    executions: FloatArray = np.where(sums.agent_rows(agents) >= 0, 100.0, 0.0)
    estimate = Estimate(means, spread, spread, executions, means - 0.1, means + 0.1)
    query = Query(TASKS[0], tuple(agents))
    return Choice(query, {"success": estimate}, Scores(means, spread), executions, sums)
