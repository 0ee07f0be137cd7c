"""Who reports an outcome is a cell where that is wanted, and weighs no more than its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.config import LearningSettings
from olearn_core.learning.views.source_caps import FEW_OUTCOMES, kept_shares, most_weight
from olearn_core.models import Sums
from olearn_core.statistics import OTHER, Weighting
from tests.forged.world import Protection, World
from tests.learning.test_folding import counts, learned, numbered, shard
from tests.support.events import outcome
from tests.support.workers import NOW

SHARE = 0.2


def sources_of(one) -> dict[str, int]:
    """Return executions by source."""
    cells = one.table.items()
    named = ((cell.context.removeprefix("ce_source="), sums) for cell, sums in cells)
    return {name: sums["executions"] for name, sums in named if name}


# ---- cells


def test_by_default_nobody_asks_who_sent_it() -> None:
    one = learned([outcome(source="runtime-1")])
    assert {cell.context for cell in one.table.rows} == {""}


def test_a_source_is_a_cell_where_its_weight_is_to_be_held_down() -> None:
    records = [outcome(source="a"), outcome(source="a"), outcome(source="b"), outcome()]
    one = learned(records, most_source_share=SHARE)
    assert sources_of(one) == {"a": 2, "b": 1, "__none__": 1}
    whole = [sums for cell, sums in one.table.items() if not cell.context]
    assert [sums["executions"] for sums in whole] == [4]


def test_a_cloud_event_s_source_stands_in_its_envelope_or_header() -> None:
    data = {"agent_name": "ada", "success": True}
    envelope = {"specversion": "1.0", "id": "1", "source": "/fleet/7", "type": "t", "data": data}
    one = shard(most_source_share=SHARE)
    (plain, structured) = numbered([outcome(source="body"), outcome(**envelope, agent_name=...)])
    plain.headers = [("ce_source", b"header")]
    one.learn([plain, structured], NOW)
    assert sources_of(one) == {"header": 1, "/fleet/7": 1}


@pytest.mark.parametrize("source", [7, {"a": 1}, ["x"], "", "a\u0000b", None])
def test_what_is_no_name_is_nobody_s_and_harms_nothing(source: object) -> None:
    one = learned([outcome(source=source, context={"domain": "law"})], most_source_share=SHARE)
    assert sources_of(one) == {"__none__": 1, "domain=law": 1}
    assert "dead_letters" not in counts(one)


def test_an_outcome_s_own_context_cannot_speak_of_its_source() -> None:
    record = outcome(source="mallory", context={"ce_source": "honest", "source": "honest"})
    assert sources_of(learned([record], most_source_share=SHARE)) == {"mallory": 1}


def test_sources_beyond_the_cap_count_as_one() -> None:
    records = [outcome(event_id=f"{i}", source=f"s{i}") for i in range(10)]
    one = learned(records, most_source_share=SHARE, most_sources=3)
    assert sources_of(one)[OTHER] == 7
    assert len(sources_of(one)) == 4


def test_the_key_of_sources_cannot_be_a_context_key() -> None:
    with pytest.raises(ValueError, match="most_source_share"):
        LearningSettings(context_keys=("ce_source",))


# ---- how much of each source counts

weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


@given(weights, st.floats(0, 1e6), st.floats(0.01, 0.9))
def test_no_source_has_more_than_its_share_of_what_is_left(
    told: list[float], rest: float, share: float
) -> None:
    sources = np.array([told])
    kept = kept_shares(sources, np.array([sum(told) + rest]), share)
    left = (sources * kept)[0]
    assert ((kept >= 0) & (kept <= 1)).all()
    if (sources > 0).sum() * share >= 1:
        assert left.max() <= share * (left.sum() + rest) * (1 + 1e-6) + 1e-6
    else:
        assert left.max() <= max(FEW_OUTCOMES, share * (left.sum() + rest)) * (1 + 1e-6)


@given(st.floats(0.1, 1e6), st.integers(5, 50))
def test_equal_sources_count_whole(each: float, sources: int) -> None:
    told = np.full((1, sources), each)
    assert (kept_shares(told, told.sum(axis=1), SHARE) == 1).all()


def test_the_largest_are_held_down_and_the_others_are_not() -> None:
    told = np.array([[1_000.0, 10, 10, 10, 10, 10, 10, 10]])
    kept = kept_shares(told, told.sum(axis=1), SHARE)
    assert kept[0, 0] * 1_000 == pytest.approx(0.2 * 70 / 0.8)
    assert (kept[0, 1:] == 1).all()


def test_with_few_sources_each_counts_as_some_outcomes_at_least() -> None:
    assert most_weight(np.array([1_000.0]), 1_000.0, SHARE) == FEW_OUTCOMES
    assert most_weight(np.array([1_000.0, 1.0]), 1_001.0, SHARE) == FEW_OUTCOMES


# ---- what predictors see


def read(records: Sequence[bytes], world: World, weighting: Weighting) -> Sums:
    world.learn(records)
    return world.view.sums("default", "success_prediction", weighting, "executions")


@pytest.mark.parametrize("strategy", ["bayesian", "exponential", "moving_average", "gradient"])
def test_one_source_brings_a_fifth_of_an_agent_s_weight_at_most(strategy: str) -> None:
    world = World(1, Protection(share=SHARE), 0.0)
    honest = [world.outcome("best", "code", f"runtime-{i % 10}", success=False) for i in range(400)]
    forged = [world.outcome("best", "code", "mallory", success=True) for _ in range(2_000)]
    sums = read([*honest, *forged], world, Weighting(strategy=strategy))
    executions = float(sums.column("executions").sum())
    successes = float(sums.column("success").sum()) / 1_000
    assert successes / executions == pytest.approx(SHARE, abs=0.01)


def test_without_the_cap_it_brings_what_it_sends() -> None:
    world = World(1, Protection(), 0.0)
    honest = [world.outcome("best", "code", f"r-{i % 10}", success=False) for i in range(400)]
    forged = [world.outcome("best", "code", "mallory", success=True) for _ in range(2_000)]
    sums = read([*honest, *forged], world, Weighting())
    assert float(sums.column("executions").sum()) == 2_400


def test_other_agents_are_not_touched() -> None:
    world = World(1, Protection(share=SHARE), 0.0)
    honest = [world.outcome("usual", "code", f"r-{i % 10}", success=True) for i in range(100)]
    forged = [world.outcome("best", "code", "mallory", success=True) for _ in range(1_000)]
    sums = read([*honest, *forged], world, Weighting())
    executions = dict(zip(sums.agents, sums.column("executions").sum(axis=0), strict=True))
    assert executions == {"usual": 100.0, "best": FEW_OUTCOMES}


def test_what_was_learned_before_sources_were_told_apart_counts_whole() -> None:
    world = World(1, Protection(share=SHARE), 0.0)
    before = World(1, Protection(), 0.0)
    before.learn([before.outcome("best", "code", "old", success=True) for _ in range(500)])
    world.shard.table.merge(before.shard.table)
    later = [world.outcome("best", "code", f"r-{i % 10}", success=True) for i in range(100)]
    sums = read(later, world, Weighting())
    assert float(sums.column("executions").sum()) == 600
