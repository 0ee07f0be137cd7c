"""`olearn evaluate` on the service's own log: from the database, from Kafka, from a file."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olearn_core.config import KafkaSettings
from olearn_core.decisions.question import Question
from olearn_core.service import Service
from olearn_core.sources.kafka_publisher import KafkaPublisher
from olearn_core.storage.decision_log import DecisionLog
from olearn_core.tokens import verify
from tests.evaluation.logs import AGENTS, RATES, decision
from tests.servers.fixtures import create_topic
from tests.support.events import outcome
from tests.support.services import open_database, publish, running, settings_for

DECISIONS = 400
DANGLING = 40
ESTIMATORS = {"ips", "snips", "dr", "switch_dr"}


async def live(service: Service, tenant: str = "default") -> list[float]:
    """Have decisions made and carried out, some of them never told of; return the successes."""
    rng, told, records = random.Random(1), [], []
    for number in range(DECISIONS):
        task = rng.choice(sorted(RATES))
        decision = service.decider.decide(Question(tenant, task, {}, eligible=AGENTS))
        success = rng.random() < RATES[task][decision.agent]
        if number < DECISIONS - DANGLING:
            told.append(float(success))
            fields = {"agent_name": decision.agent, "task_type": task, "tenant_id": tenant}
            status = "success" if success else "failure"
            records.append(outcome(**fields, status=status, decision_id=decision.decision_id))
    await publish(service.publisher, records)
    await service.decision_writer.flush()
    return told


def lived(settings: Any, tenant: str = "default") -> list[float]:
    async def live_once() -> list[float]:
        async with running(settings) as run:
            return await live(run.service, tenant)

    return asyncio.run(live_once())


@pytest.fixture
def here(call, sqlite_url, monkeypatch) -> str:
    """A database that commands find in the environment, with an exploration floor of a half."""
    monkeypatch.setenv("OLEARN_DATABASE__URL", sqlite_url)
    monkeypatch.setenv("OLEARN_DECISIONS__EXPLORATION_FLOOR", "0.5")
    return sqlite_url


class TestOfTheEmbeddedLog:
    @pytest.fixture
    def told(self, here: str, tmp_path: Path) -> list[float]:
        return lived(settings_for(tmp_path, here))

    def test_decisions_and_outcomes_are_joined_and_targets_told(self, told, call_json) -> None:
        found = call_json(
            *("evaluate", "--reward", "success", "--least-effective", 50),
            *("--policy", "logged", "--policy", "always:ada", "--policy", "agent_selection"),
        )
        assert (found["reward"], found["decisions"]) == ("success", DECISIONS)
        assert found["joined"] == DECISIONS - DANGLING
        assert found["dangling_share"] == pytest.approx(DANGLING / DECISIONS)
        assert (found["left_out"], found["misdrawn"]) == ({}, None)
        logged, ada, policy = found["policies"]
        assert logged["estimates"]["ips"]["value"] == pytest.approx(np.mean(told))
        assert logged["mean_weight"] == 1.0
        for result in (ada, policy):
            assert result["estimates"].keys() == ESTIMATORS
            for estimate in result["estimates"].values():
                assert estimate["low"] < estimate["value"] < estimate["high"]
        truth = np.mean([RATES[task]["ada"] for task in RATES])
        dr = ada["estimates"]["dr"]
        assert abs(dr["value"] - truth) < 4 * dr["se"]

    def test_without_names_the_policy_is_held_against_chance(self, told, call) -> None:
        said = call("evaluate", "--reward", "success").stdout
        assert f"{DECISIONS} decisions, {DECISIONS - DANGLING} with an outcome" in said
        assert "10.0 % dangling" in said
        for name in ("logged", "uniform", "agent_selection"):
            assert name in said

    def test_what_is_refused_says_why(self, told, call) -> None:
        options = ("--reward", "success", "--least-effective", 10_000, "--policy", "uniform")
        said = call("evaluate", *options).stdout
        assert "uniform: refused, only" in said
        assert "exploration_floor" in said

    def test_a_policy_that_is_not_there_is_one_clear_line(self, told, call) -> None:
        result = call("evaluate", "--policy", "best")
        assert result.exit_code == 1
        assert "there is no policy 'best' to evaluate" in result.stderr

    def test_an_agent_that_was_never_a_candidate_has_nothing_to_be_judged_by(
        self, told, call, call_json
    ) -> None:
        said = call("evaluate", "--reward", "success", "--policy", "always:zoe").stdout
        assert "always:zoe: refused, no two decisions have outcomes" in said
        assert f"no candidate in {DECISIONS - DANGLING} further decisions" in said
        found = call_json("evaluate", "--reward", "success", "--policy", "always:zoe")
        assert found["policies"][0]["mean_weight_se"] is None

    def test_decisions_that_contradict_themselves_are_told(self, told, call, here) -> None:
        async def write_wrong() -> None:
            async with AsyncExitStack() as stack:
                database = await open_database(here, stack)
                now = datetime.now(UTC)
                await DecisionLog(database).append([decision(1, propensity=0.4, issued_at=now)])

        asyncio.run(write_wrong())
        said = call("evaluate", "--reward", "success").stdout
        assert "left out: 1 decisions, its propensity is not its law's" in said

    def test_another_tenant_has_no_decisions(self, told, call_json) -> None:
        assert call_json("evaluate", "--tenant", "acme")["decisions"] == 0

    def test_older_decisions_are_left_alone(self, told, call_json, monkeypatch) -> None:
        import time

        later = time.time() + 3 * 86_400
        monkeypatch.setattr("olearn_core.cli.evaluate_log.time.time", lambda: later)
        assert call_json("evaluate", "--days", 2)["decisions"] == 0
        assert call_json("evaluate", "--days", 4)["decisions"] == DECISIONS


def test_a_database_that_is_not_there_is_said(here, call) -> None:
    result = call("evaluate")
    assert result.exit_code == 1
    assert "there is no database" in result.stderr


@pytest.mark.kafka
class TestOfKafka:
    @pytest.fixture
    def topics(self, here, kafka_broker, monkeypatch) -> dict[str, str]:
        async def made() -> list[str]:
            return [await create_topic(kafka_broker.bootstrap, 3) for _ in range(2)]

        outcomes, decisions = asyncio.run(made())
        names = {"bootstrap_servers": kafka_broker.bootstrap, "outcome_topic": outcomes}
        names |= {"group": f"group-{outcomes}", "session_timeout_ms": "6000"}
        for key, value in names.items():
            monkeypatch.setenv(f"OLEARN_KAFKA__{key.upper()}", value)
        return names | {"decisions_topic": decisions}

    def test_both_topics_are_read(self, topics, here, tmp_path, call_json, monkeypatch) -> None:
        """Whatever strangers have written between."""
        told = lived(settings_for(tmp_path, here, kafka=topics))
        asyncio.run(self.stray(topics))
        monkeypatch.setenv("OLEARN_KAFKA__DECISIONS_TOPIC", topics["decisions_topic"])
        found = call_json("evaluate", "--reward", "success", "--policy", "logged")
        assert (found["decisions"], found["joined"]) == (DECISIONS, DECISIONS - DANGLING)
        ips = found["policies"][0]["estimates"]["ips"]["value"]
        assert ips == pytest.approx(np.mean(told))

    async def stray(self, topics: dict[str, str]) -> None:
        settings = KafkaSettings(bootstrap_servers=topics["bootstrap_servers"])
        async with AsyncExitStack() as stack:
            for topic in (topics["outcome_topic"], topics["decisions_topic"]):
                publisher = KafkaPublisher(settings, topic)
                await publisher.start(stack)
                await publisher.publish("key", b"{}")

    def test_without_a_topic_of_decisions_it_says_what_to_set(self, topics, call) -> None:
        assert call("db", "upgrade").exit_code == 0
        result = call("evaluate")
        assert result.exit_code == 1
        assert "[kafka] decisions_topic" in result.stderr


@pytest.mark.kafka
async def test_a_service_on_kafka_keeps_no_decisions_in_its_database(
    tmp_path: Path, sqlite_url: str, kafka_broker: Any
) -> None:
    topic = await create_topic(kafka_broker.bootstrap, 1)
    kafka = {"bootstrap_servers": kafka_broker.bootstrap, "outcome_topic": topic, "group": topic}
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(
            running(settings_for(tmp_path, sqlite_url, kafka=kafka))
        )
        decision = run.service.decider.decide(Question("default", "code", {}, eligible=["ada"]))
        nonce = verify(run.service.keys.all(), decision.decision_id).nonce.hex()
        assert run.service.decision_writer.waiting(nonce) is None
        assert run.service.decision_writer.problem is None


class TestOfAFile:
    """One joined decision a line."""

    @pytest.fixture
    def write(self, tmp_path: Path):
        def written(*lines: dict[str, Any], name: str = "decisions.jsonl") -> Path:
            path = tmp_path / name
            text = "".join(json.dumps(line) + "\n" for line in lines).encode()
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
            return path

        return written

    def lines(self, size: int = 1_000, **more: Any) -> list[dict[str, Any]]:
        rng, law, found = random.Random(2), [0.5, 0.3, 0.2], []
        for _ in range(size):
            task = rng.choice(sorted(RATES))
            agent = rng.choices(AGENTS, law)[0]
            success = rng.random() < RATES[task][agent]
            line = {"task_type": task, "agents": AGENTS, "law": law, "agent": agent}
            found.append(line | {"success": success} | more)
        return found

    def test_outcomes_fields_are_enough_for_success(self, write, call_json) -> None:
        lines = self.lines()
        found = call_json(
            *("evaluate", "--decisions", write(*lines, name="d.jsonl.gz")),
            *("--reward", "success", "--policy", "logged", "--policy", "agent_selection"),
        )
        logged, policy = found["policies"]
        mean = np.mean([line["success"] for line in lines])
        assert logged["estimates"]["ips"]["value"] == pytest.approx(mean)
        assert policy["estimates"]["dr"]["value"] > mean + 0.1

    def test_a_reward_alone_is_enough(self, write, call_json) -> None:
        lines = [line | {"reward": 0.5 + line.pop("success") / 2} for line in self.lines()]
        found = call_json(
            "evaluate", "--decisions", write(*lines), "--policy", "uniform", "--policy", "classic"
        )
        truth = 0.5 + np.mean([rate for task in RATES.values() for rate in task.values()]) / 2
        dr = found["policies"][0]["estimates"]["dr"]
        assert abs(dr["value"] - truth) < 4 * dr["se"]

    def test_the_utility_of_a_line_is_its_reward(self, write, call_json) -> None:
        utility = {"weights": {"success": 1, "latency": 1}}
        utility |= {"latency_scale_ms": 100.0, "cost_scale_usd": 1.0}
        lines = self.lines(200, utility=utility, latency_ms=25)
        found = call_json("evaluate", "--decisions", write(*lines), "--policy", "logged")
        expected = np.mean([(line["success"] + 0.75) / 2 for line in lines])
        value = found["policies"][0]["estimates"]["ips"]["value"]
        assert value == pytest.approx(expected)

    def test_lines_without_an_outcome_dangle(self, write, call_json) -> None:
        lines = self.lines(200)
        for line in lines[:50]:
            line.pop("success")
        found = call_json("evaluate", "--decisions", write(*lines), "--reward", "success")
        assert found["dangling_share"] == 0.25

    def test_a_law_of_another_choice_is_refused_as_a_whole(self, write, call) -> None:
        path = write(*self.lines(law=[0.2, 0.3, 0.5]))
        said = call("evaluate", "--decisions", path, "--reward", "success").stdout
        assert "decisions were not drawn from what was logged" in said

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ({"agents": []}, "line 1"),
            ({"law": [0.5, 0.5]}, "its agents and its law do not match"),
            ({"law": [0.5, 0.3, 0.3]}, "its law does not sum to 1"),
            ({"agent": "zoe"}, "its agent was not eligible"),
            ({"propensity": 0.9}, "its propensity is not its law's"),
            ({"reward": 1.5}, "line 1"),
            ({}, "neither a reward nor a utility"),
        ],
    )
    def test_a_line_that_is_wrong_is_named(self, write, call, line, said) -> None:
        path = write(self.lines(1)[0] | line)
        result = call("evaluate", "--decisions", path)
        assert result.exit_code == 1
        assert said in result.stderr
