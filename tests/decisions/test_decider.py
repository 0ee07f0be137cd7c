"""From a question to a drawn agent with its true probability."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from olearn_core.decisions.question import Question
from olearn_core.errors import NotFoundError
from olearn_core.models import Query
from olearn_core.service import Service
from olearn_core.tokens import eligible_hash, verify
from tests.support.events import outcome, rfc3339
from tests.support.services import eventually, publish, received, running, settings_for

FLOOR = 0.05


def ask(**fields: object) -> Question:
    return Question(**{"tenant": "default", "task_type": "code", "context": {}, **fields})


@pytest.fixture
async def service(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Service]:
    """A service that knows a good, a cheap and a bad agent, and one long gone."""
    settings = settings_for(tmp_path, sqlite_url, decisions={"exploration_floor": FLOOR})
    records = []
    for i in range(60):
        same = {"latency_ms": 1_000, "quality_score": 0.5}
        records += [
            outcome(agent_name="good", cost_usd=0.05, status=_mostly(i, 9), **same),
            outcome(agent_name="cheap", cost_usd=0.0001, status=_mostly(i, 6), **same),
            outcome(agent_name="bad", cost_usd=0.05, status=_mostly(i, 1), **same),
        ]
    old = rfc3339(time.time() - 40 * 86_400)
    records += [outcome(agent_name="gone", timestamp=old)]
    async with running(settings) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        yield run.service


def _mostly(i: int, of_ten: int) -> str:
    return "success" if i % 10 < of_ten else "failure"


async def test_the_law_sums_to_one_and_nobody_falls_below_the_floor(service: Service) -> None:
    law = service.decider.law(ask())
    assert set(law.agents) == {"good", "cheap", "bad"}, "who was not seen lately is no candidate"
    assert math.fsum(law.probabilities) == pytest.approx(1, abs=1e-12)
    assert min(law.probabilities) >= FLOOR / 3 - 1e-12


async def test_the_best_agent_is_likeliest_and_the_propensity_true(service: Service) -> None:
    law = service.decider.law(ask(weights={"success": 1.0}))
    probabilities = dict(zip(law.agents, law.probabilities.tolist(), strict=True))
    assert max(probabilities, key=probabilities.__getitem__) == "good"
    drawn: Counter[str] = Counter()
    for _ in range(2_000):
        decision = service.decider.decide(ask(weights={"success": 1.0}))
        drawn[decision.agent] += 1
        assert decision.propensity == probabilities[decision.agent]
    for agent, probability in probabilities.items():
        error = math.sqrt(probability * (1 - probability) / 2_000)
        assert abs(drawn[agent] / 2_000 - probability) <= 5 * error


async def test_a_newcomer_s_share_and_the_floor_are_drawn_as_they_are_logged(
    service: Service,
) -> None:
    """By a chi-square of all agents: beyond 20.5 with 4 degrees is one run in 2,500."""
    asked = ask(eligible=["good", "cheap", "bad", "newcomer", "gone"], weights={"success": 1.0})
    law = service.decider.law(asked)
    logged = dict(zip(law.agents, law.probabilities.tolist(), strict=True))
    assert logged["newcomer"] > FLOOR / 5 + 0.03, "the newcomer has a share beyond the floor"
    assert logged["bad"] == pytest.approx(FLOOR / 5, abs=0.01)
    draws = 20_000
    drawn = Counter(service.decider.decide(asked).agent for _ in range(draws))
    distance = sum((drawn[a] - draws * p) ** 2 / (draws * p) for a, p in logged.items())
    assert distance <= 20.5
    service.alerts.look()
    assert service.problems == []


async def test_weights_change_the_choice_without_learning(service: Service) -> None:
    def favourite(**weights: float) -> str:
        law = service.decider.law(ask(weights=weights))
        return law.agents[int(law.probabilities.argmax())]

    before = dict(service.view.counters())
    assert favourite(success=1.0) == "good"
    assert favourite(cost=1.0) == "cheap"
    assert favourite(success=1.0) == "good"
    assert dict(service.view.counters()) == before


async def test_only_eligible_agents_are_chosen_new_ones_too(service: Service) -> None:
    law = service.decider.law(ask(eligible=["bad", "newcomer", "bad", "gone"]))
    assert law.agents == ("bad", "newcomer", "gone")
    assert all(law.probabilities > 0)


async def test_excluded_agents_are_not_chosen(service: Service) -> None:
    assert service.decider.law(ask(excluded=["good"])).agents == ("cheap", "bad")
    with pytest.raises(NotFoundError):
        service.decider.decide(ask(eligible=["good"], excluded=["good"]))


async def test_another_tenant_s_agents_are_no_candidates(service: Service) -> None:
    with pytest.raises(NotFoundError):
        service.decider.decide(ask(tenant="acme"))
    assert service.decider.law(ask(tenant="acme", eligible=["good"])).probabilities.tolist() == [
        1.0
    ]


async def test_the_token_says_what_was_decided(service: Service) -> None:
    decision = service.decider.decide(ask())
    decided = verify(service.keys.all(), decision.decision_id)
    assert (decided.tenant, decided.task_type) == ("default", "code")
    assert (decided.agent, decided.propensity) == (decision.agent, decision.propensity)
    assert decided.eligible_hash == eligible_hash(["bad", "good", "cheap"])
    assert decided.view_version == decision.view_version > 0
    assert abs(decided.issued_at_seconds - time.time()) < 60


async def test_every_decision_has_a_nonce_of_its_own(service: Service) -> None:
    keys = service.keys.all()
    tokens = [service.decider.decide(ask()).decision_id for _ in range(100)]
    assert len({verify(keys, token).nonce for token in tokens}) == 100


async def test_the_ranking_begins_with_the_drawn_agent(service: Service) -> None:
    for _ in range(20):
        decision = service.decider.decide(ask())
        probabilities = [probability for _, _, probability in decision.ranked[1:]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert {agent for agent, _, _ in decision.ranked} == {"good", "cheap", "bad"}


async def test_what_is_learned_is_decided_by_at_once(service: Service) -> None:
    assert "fresh" not in service.decider.law(ask()).agents
    before = service.view.counters()["received"]
    await publish(service.publisher, [outcome(agent_name="fresh")])
    await received(service, before + 1)
    await eventually(lambda: "fresh" in service.decider.law(ask()).agents, seconds=1.0)


async def test_a_predictor_that_is_not_there_is_not_found(service: Service) -> None:
    with pytest.raises(NotFoundError, match="nonsense"):
        service.decider.estimate("nonsense", "default", Query("code", ("good",)))
