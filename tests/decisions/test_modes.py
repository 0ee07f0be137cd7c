"""Who chooses, and that what is said of it is true."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from olearn_core.config import DecisionSettings
from olearn_core.decisions.decider import Decider
from olearn_core.decisions.question import Question
from olearn_core.errors import QuestionError
from olearn_core.service import Service
from olearn_core.tokens import verify
from tests.support.events import outcome
from tests.support.services import publish, received, running, settings_for


@pytest.fixture
async def service(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Service]:
    """A service that knows a good agent, a fair and a bad one."""
    records = [
        outcome(agent_name=agent, status="success" if i % 10 < of_ten else "failure")
        for i in range(80)
        for agent, of_ten in (("good", 9), ("fair", 8), ("bad", 2))
    ]
    async with running(settings_for(tmp_path, sqlite_url)) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        yield run.service


def decider(service: Service, **settings: Any) -> Decider:
    given = {"weights": {"success": 1.0}} | settings
    configured = DecisionSettings.model_validate(given)
    return Decider(service.view, service.models, configured, service.keys.newest)


def ask(**fields: Any) -> Question:
    return Question(**{"tenant": "default", "task_type": "code", "context": {}, **fields})


async def test_online_draws_from_the_law(service: Service) -> None:
    decision = decider(service).decide(ask())
    assert (decision.mode, decision.would_choose) == ("online", None)


async def test_an_apprentice_always_leaves_it_to_the_default_agent(service: Service) -> None:
    apprentice = decider(service, mode="apprentice", default_agent="fair")
    online = decider(service).law(ask())
    would: Counter[str | None] = Counter()
    for _ in range(400):
        decision = apprentice.decide(ask())
        assert (decision.agent, decision.propensity, decision.mode) == ("fair", 1.0, "apprentice")
        assert verify(service.keys.all(), decision.decision_id).propensity == 1.0
        assert [probability for _, _, probability in decision.ranked] == [1.0, 0.0, 0.0]
        would[decision.would_choose] += 1
    for agent, probability in zip(online.agents, online.probabilities.tolist(), strict=True):
        error = math.sqrt(probability * (1 - probability) / 400)
        assert abs(would[agent] / 400 - probability) <= 5 * error + 1e-9


async def test_an_apprentice_counts_what_it_would_have_done(service: Service) -> None:
    apprentice = decider(service, mode="apprentice", default_agent="fair")
    rules, law = apprentice.rulebook.of("default"), apprentice.law(ask())
    before = apprentice.apprenticeship.report("default", rules)
    assert (before.decisions, before.agreement, before.gain) == (0, None, None)
    for _ in range(3):
        apprentice.decide(ask())
    after = apprentice.apprenticeship.report("default", rules)
    fair = law.ranking[law.ranks[law.agents.index("fair")]]
    assert after.decisions == 3
    assert after.agreement == pytest.approx(fair[2])
    assert after.gain == pytest.approx(law.mean_score - fair[1])
    assert after.gain is not None
    assert after.gain > 0
    assert apprentice.apprenticeship.report("acme", rules).decisions == 0


async def test_the_requests_default_agent_goes_before_the_configured_one(service: Service) -> None:
    apprentice = decider(service, mode="apprentice", default_agent="fair")
    assert apprentice.decide(ask(default_agent="bad")).agent == "bad"
    unseen = apprentice.decide(ask(default_agent="never seen"))
    assert (unseen.agent, len(unseen.ranked)) == ("never seen", 4)


async def test_an_apprentice_needs_a_default_agent_that_is_eligible(service: Service) -> None:
    apprentice = decider(service, mode="apprentice")
    with pytest.raises(QuestionError, match="default agent"):
        apprentice.decide(ask())
    with pytest.raises(QuestionError, match="not eligible"):
        apprentice.decide(ask(default_agent="bad", eligible=["good", "fair"]))
    with pytest.raises(QuestionError, match="not eligible"):
        apprentice.decide(ask(default_agent="bad", excluded=["bad"]))


async def test_logging_only_takes_down_what_the_caller_has_chosen(service: Service) -> None:
    logging = decider(service, mode="logging_only")
    decision = logging.decide(ask(chosen_agent="bad"))
    assert (decision.agent, decision.propensity, len(decision.ranked)) == ("bad", None, 1)
    assert verify(service.keys.all(), decision.decision_id).known_propensity is None
    decision = logging.decide(ask(chosen_agent="fair", chosen_propensity=0.25))
    token = verify(service.keys.all(), decision.decision_id)
    assert (token.agent, token.propensity) == ("fair", 0.25)


async def test_logging_only_draws_evenly_where_the_caller_has_not_chosen(
    service: Service,
) -> None:
    logging = decider(service, mode="logging_only")
    drawn: Counter[str] = Counter()
    for _ in range(900):
        decision = logging.decide(ask())
        assert decision.propensity == pytest.approx(1 / 3)
        drawn[decision.agent] += 1
    assert all(abs(count - 300) < 5 * math.sqrt(200) for count in drawn.values())


async def test_nobody_chooses_for_a_service_that_is_online(service: Service) -> None:
    with pytest.raises(QuestionError, match="logging_only"):
        decider(service).decide(ask(chosen_agent="bad"))


async def test_every_tenant_has_a_mode_of_its_own(service: Service) -> None:
    tenants = {"acme": {"mode": "apprentice", "default_agent": "atlas"}}
    both = decider(service, tenants=tenants)
    assert both.decide(ask(tenant="acme")).agent == "atlas"
    assert both.decide(ask()).mode == "online"
