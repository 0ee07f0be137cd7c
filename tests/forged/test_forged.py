"""Forged outcomes cost little where tokens are required, and little where sources are capped."""

from __future__ import annotations

import numpy as np

from tests.forged.world import Protection, World

SEEDS = 8
TASKS = 2_000


def best_share(protection: Protection, forged: float) -> float:
    """Return the best agent's share of the choices, of the later half, over all seeds."""
    runs = [World(seed, protection, forged).run(TASKS) for seed in range(SEEDS)]
    return float(np.mean([run.best_share for run in runs]))


def test_where_tokens_are_required_the_best_agent_keeps_its_share() -> None:
    honest = best_share(Protection(tokens=True), 0.0)
    assert best_share(Protection(tokens=True), 0.20) >= honest - 0.03


def test_without_tokens_the_cap_holds_the_damage() -> None:
    honest = best_share(Protection(), 0.0)
    bare = best_share(Protection(), 0.20)
    capped = best_share(Protection(share=0.2), 0.20)
    assert bare < honest - 0.10, "there is something to protect from"
    assert capped > honest - 0.5 * (honest - bare)


def test_honest_sources_lose_nothing_by_the_cap() -> None:
    assert best_share(Protection(share=0.2), 0.0) >= best_share(Protection(), 0.0) - 0.03


def test_forged_outcomes_are_dead_letters_where_tokens_are_required() -> None:
    world = World(1, Protection(tokens=True), 0.05)
    world.run(500)
    assert world.shard.counters()["executions"] == world.shard.counters()["joined"] == 500
    assert world.shard.tick is not None
    assert len(world.shard.tick.dead_letters) > 0
    assert {letter.pointer for letter in world.shard.tick.dead_letters} == {"/decision_id"}
