"""Plain bandits, as people would otherwise write them."""

from __future__ import annotations

import numpy as np
import pytest

from olearn_core.evaluation.playing.features import features
from olearn_core.evaluation.playing.match import Board, Rules, play
from olearn_core.evaluation.playing.pool import Pool
from olearn_core.evaluation.playing.references import references
from olearn_core.evaluation.playing.world import World
from tests.evaluation.pools import constant, done, pool_of, specialists, task

NAMES = ("random", "ts_global", "ts_per_type", "lin_ts", "classic")


def mean_of(name: str, pool: Pool, seeds: int = 3) -> float:
    world, maker = World(pool, []), references(pool)[name]
    played = [
        play(maker(np.random.default_rng([seed, 1])), Board(world, Rules(), seed))
        for seed in range(seeds)
    ]
    return float(np.nanmean(played))


def test_these_are_the_references() -> None:
    assert tuple(references(constant(1, a=1))) == NAMES


def test_chance_is_chance() -> None:
    assert mean_of("random", constant(1_000, a=1, b=0, c=0, d=0)) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", NAMES[1:])
def test_every_reference_finds_the_one_good_agent(name: str) -> None:
    assert mean_of(name, constant(300, a=0, b=1, c=0, d=0.2)) > 0.85


@pytest.mark.parametrize("name", ["ts_per_type", "lin_ts"])
def test_those_that_know_the_type_find_its_specialist(name: str) -> None:
    pool = specialists(600)
    assert mean_of(name, pool) > mean_of("ts_global", pool) + 0.15
    assert mean_of(name, pool) > mean_of("random", pool) + 0.3


def test_a_linear_bandit_sees_the_context() -> None:
    kinds = [bool(number % 2) for number in range(600)]
    pool = pool_of(*(task("mail", {"long": kind}, a=kind, b=not kind) for kind in kinds))
    assert mean_of("lin_ts", pool) > 0.9
    assert mean_of("ts_per_type", pool) == pytest.approx(0.5, abs=0.1)


def test_the_older_formula_prefers_the_fast() -> None:
    slow, fast = done(1, latency_ms=9_000.0), done(0.5, latency_ms=10.0)
    pool = pool_of(*(task(slow=slow, fast=fast) for _ in range(200)))
    assert mean_of("classic", pool) == pytest.approx(0.5, abs=0.05)
    assert mean_of("ts_global", pool) > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_one_task_and_one_agent_are_enough(name: str) -> None:
    assert mean_of(name, pool_of(task(a=0.5))) == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_only_who_has_an_outcome_is_chosen(name: str) -> None:
    pool = pool_of(*(task(a=1) if number % 2 else task(b=1) for number in range(60)))
    assert mean_of(name, pool) == 1.0


def test_features_are_the_type_and_the_context() -> None:
    contexts = [{"lang": "de", "size": 0}, {"lang": "en", "size": 9}, {"lang": "en", "size": 9}]
    vectors = features(["mail", "code", "code"], contexts)
    by_type, by_word, sizes = vectors[:, :2], vectors[:, 2:4], vectors[:, 4]
    assert sorted(map(tuple, by_type.T.tolist())) == [(0, 1, 1), (1, 0, 0)]
    assert sorted(map(tuple, by_word.T.tolist())) == [(0, 1, 1), (1, 0, 0)]
    assert (sizes.mean(), sizes.std()) == pytest.approx((0.0, 1.0))


def test_task_types_beyond_the_twenty_commonest_share_a_constant() -> None:
    common = [f"common {number}" for number in range(20)]
    vectors = features([*common, *common, "rare", "rarer"], [{}] * 42)
    assert vectors.shape == (42, 21)
    assert (vectors.sum(axis=1) == 1).all()
    assert vectors[:, 20].tolist() == [0.0] * 40 + [1.0, 1.0]


def test_features_without_any_difference_are_a_constant() -> None:
    assert features(["mail"] * 3, [{}] * 3).tolist() == [[1.0]] * 3
