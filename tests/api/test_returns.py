"""How many decisions were made, and how many outcomes brought their decision_id back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert

from olearn_core.statistics import Weighting
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.storage.tables import decision_log
from tests.api.conftest import Api, Serving
from tests.servers.fixtures import create_topic
from tests.support.services import eventually


async def decide(api: Api, count: int, **asked: Any) -> list[dict[str, Any]]:
    """Return decisions that are counted."""
    known = (await api.get("/returns")).json()["decided"]
    made = [(await api.post("/decisions", json=asked)).json() for _ in range(count)]
    await api.service.decision_writer.flush()

    async def counted() -> bool:
        return bool((await api.get("/returns")).json()["decided"] == known + count)

    await eventually(counted)
    return made


def back(decision: dict[str, Any], **fields: Any) -> dict[str, Any]:
    outcome = {"agent_name": decision["agent_name"], "status": "success", "task_type": "code"}
    return outcome | {"decision_id": decision["decision_id"]} | fields


async def test_decisions_and_what_came_back_are_told_by_agent_task_type_and_day(api: Api) -> None:
    ada = await decide(api, 3, task_type="code", eligible_agents=["ada"])
    bob = await decide(api, 2, task_type="text", eligible_agents=["bob"])
    await api.learn(back(ada[0]), back(ada[1]), back(bob[0], task_type="text"))
    found = (await api.get("/returns")).json()
    today = datetime.now(UTC).date().isoformat()
    rows = {(row["agent_name"], row["task_type"]): row for row in found["rows"]}
    assert {row["day"] for row in found["rows"]} == {today}
    assert rows["ada", "code"]["decided"] == 3
    assert rows["ada", "code"]["joined"] == 2
    assert (rows["bob", "text"]["decided"], rows["bob", "text"]["joined"]) == (2, 1)
    assert (found["decided"], found["joined"]) == (5, 3)
    assert found["dangling_share"] is None, "they may still come"
    metrics = (await api.get("/metrics")).json()
    assert (metrics["decided"], metrics["joined"], metrics["dangling_share"]) == (5, 3, None)


async def test_a_decision_comes_back_once(api: Api) -> None:
    """Ratings, repeats and what is not over yet are no return of their own."""
    first, second, third = await decide(api, 3, eligible_agents=["ada"])
    await api.learn(
        back(first),
        back(first),
        back(first, status=None, quality_score=0.5),
        back(second, status="pending"),
        back(third, status=None, quality_score=0.5),
    )
    assert (await api.get("/returns")).json()["joined"] == 1


async def test_a_decision_that_another_agent_carried_out_came_back(api: Api) -> None:
    """It counts as its own agent's, who is no candidate by that."""
    (decision,) = await decide(api, 1, eligible_agents=["ada"])
    await api.learn(back(decision, agent_name="bob"))
    (row,) = (await api.get("/returns")).json()["rows"]
    assert (row["agent_name"], row["decided"], row["joined"]) == ("ada", 1, 1)
    candidates = partial(api.service.decider.recent, "default")
    await eventually(lambda: candidates() == ("bob",))
    seen = (await api.get("/agents/performance")).json()
    assert {agent["agent_name"] for agent in seen} == {"bob"}


async def test_what_was_counted_is_counted_once_over_restarts(serving: Serving) -> None:
    async with serving() as api:
        (decision, *_) = await decide(api, 4, eligible_agents=["ada"])
        await api.learn(back(decision))
    async with serving() as again:
        found = (await again.get("/returns")).json()
        assert (found["decided"], found["joined"]) == (4, 1)
        await decide(again, 1, eligible_agents=["ada"])
        assert (await again.get("/returns")).json()["decided"] == 5


async def test_a_node_that_only_answers_counts_what_the_learner_does(serving: Serving) -> None:
    async with serving() as api, serving(service={"role": "api"}) as beside:
        (decision,) = await decide(api, 1, eligible_agents=["ada"])
        await api.learn(back(decision))

        async def known() -> bool:
            found = (await beside.get("/returns")).json()
            return (found["decided"], found["joined"]) == (1, 1)

        await eventually(known)


@pytest.mark.kafka
async def test_on_kafka_each_decision_counts_once_whoever_learns(
    serving: Serving, kafka_broker: Any
) -> None:
    """Its log are a topic's partitions, which move between learners as those of outcomes do."""
    outcomes, decisions = [await create_topic(kafka_broker.bootstrap, 2) for _ in range(2)]
    kafka = {"bootstrap_servers": kafka_broker.bootstrap, "group": outcomes}
    kafka |= {"outcome_topic": outcomes, "decisions_topic": decisions}
    async with serving(kafka=kafka) as api:
        made = await decide(api, 20, eligible_agents=["ada"])
        await api.learn(*map(back, made[:5]))
        async with serving(kafka=kafka) as beside:
            await eventually(lambda: len(beside.service.worker.shards) > 0, "it learns too")
            made += await decide(api, 20, eligible_agents=["ada"])
            for decision in made[5:10]:
                assert (await beside.post("/outcomes", json=back(decision))).status_code == 202
        await decide(api, 1, eligible_agents=["ada"])

        async def all_known() -> bool:
            found = (await api.get("/returns")).json()
            return (found["decided"], found["joined"]) == (41, 10)

        await eventually(all_known)
        proven = (await api.get(f"/decisions/{made[0]['decision_id']}")).json()
        assert (proven["stands_on"], proven["agent_name"]) == ("decision_id", "ada")
        why = (await api.get(f"/decisions/{made[0]['decision_id']}/explanation")).json()
        assert why["stands_on"] == "decision_id"


async def test_what_is_no_decision_is_a_dead_letter_and_the_others_count(api: Api) -> None:
    log = DecisionLog(api.service.database)
    async with api.service.database.write() as connection:
        row = {"nonce": "n", "issued_at": time.time(), "record": b'{"nonce": 1}'}
        await connection.execute(insert(decision_log).values(**row))
    await decide(api, 2, eligible_agents=["ada"])

    async def refused() -> list[dict[str, Any]]:
        letters: list[dict[str, Any]] = (await api.get("/dead-letters")).json()["letters"]
        return letters

    (letter,) = await eventually(refused, "it is saved with the next checkpoint")
    assert (letter["source"], letter["topic"]) == ("embedded-decisions", "decisions")
    assert letter["reason"].startswith("no decision: ")
    assert (await log.bounds())[1] == 4


async def test_a_decision_that_was_written_twice_counts_once(api: Api) -> None:
    """So do repeats of a log that cannot tell: a topic's producer tries again what failed."""
    await decide(api, 2, eligible_agents=["ada"])
    log = DecisionLog(api.service.database)
    (first, _) = await log.read(0, 10)
    async with api.service.database.write() as connection:
        row = {"nonce": "another", "issued_at": time.time(), "record": first.value}
        await connection.execute(insert(decision_log).values(**row))
    await decide(api, 1, eligible_agents=["ada"])
    assert (await api.get("/returns")).json()["decided"] == 3


async def test_of_another_tenant_nothing_is_told(api: Api) -> None:
    await decide(api, 1, eligible_agents=["ada"])
    assert api.service.view.returns("acme").decided.sum() == 0


@pytest.mark.parametrize("reward", [None, 0.0, 0.5])
async def test_what_never_came_counts_as_the_default_reward_after_its_wait(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, reward: float | None
) -> None:
    """Where the outcome comes after all, it takes the default's place."""
    decisions = {"reward_wait_minutes": 30} | ({} if reward is None else {"default_reward": reward})
    async with serving(decisions=decisions) as api:
        made = await decide(api, 4, task_type="code", eligible_agents=["ada"])
        await api.learn(*map(back, made[:2]))
        await eventually(lambda: believed(api) == (2, 2.0))
        monkeypatch.setattr(api.service.view, "_clock", two_hours_later)
        found = (await api.get("/returns")).json()
        assert (found["dangling"], found["dangling_share"]) == (2, 0.5)
        missed = (2, 2.0) if reward is None else (4, 2.0 + 2 * reward)
        await eventually(lambda: believed(api) == missed)
        await api.learn(back(made[2]))
        missed = (3, 3.0) if reward is None else (4, 3.0 + reward)
        await eventually(lambda: believed(api) == missed)
        (agent,) = (await api.get("/agents/performance")).json()
        assert (agent["total_executions"], agent["success_rate"]) == (3, 1.0), "what really came"


def two_hours_later() -> float:
    return time.time() + 7_200.0


def believed(api: Api) -> tuple[float, float]:
    """Return how many executions, and of what success, decisions stand on."""
    sums = api.service.view.sums("default", "success_prediction", Weighting(), "executions")
    successes = float(sums.column("success").sum()) / 1_000
    return float(sums.column("executions").sum()), successes


async def test_agents_of_whom_nothing_came_are_known_by_the_default_reward_alone(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(decisions={"default_reward": 0.0}) as api:
        await decide(api, 30, eligible_agents=["lost"])
        await api.learn({"agent_name": "ada", "status": "success"})
        monkeypatch.setattr(api.service.view, "_clock", two_hours_later)
        await eventually(lambda: believed(api)[0] == 31)
        asked = {"agents": ["lost", "ada"]}
        answer = (await api.post("/predict/success_prediction", json=asked)).json()
        lost, ada = (estimate["mean"] for estimate in answer["estimates"])
        assert lost < 0.2 < ada
        chosen = (await api.post("/decisions", json={})).json()["recommendations"]
        assert [row["agent_name"] for row in chosen] == ["ada"], "nobody has seen the other"
