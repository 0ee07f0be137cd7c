"""An agent that degrades is left, where forgetting is configured."""

from __future__ import annotations

import time
from pathlib import Path

from tests.decisions.test_decider import ask
from tests.support.events import outcome, rfc3339
from tests.support.services import publish, received, running, settings_for

HOURS_EACH = 4
FORGETTING = {"strategy": "exponential", "half_life_days": 1.0}


def history(now: float, dies_hours_ago: float) -> list[bytes]:
    """Return two weeks: ada was better than bob, and fails since then."""
    records = []
    for step in range(14 * 24 // HOURS_EACH):
        hours = step * HOURS_EACH
        at = rfc3339(now - 3_600 * hours)
        ada = step % 10 and hours >= dies_hours_ago
        agents = {"ada": ada, "bob": step % 10 < 7}
        records += [
            outcome(
                event_id=f"{agent}-{step}-{i}",
                agent_name=agent,
                status="success" if good else "failure",
                timestamp=at,
            )
            for agent, good in agents.items()
            for i in range(5)
        ]
    return records


async def share_of_ada(folder: Path, url: str, dies_hours_ago: float, **models: object) -> float:
    settings = settings_for(folder, url, models={"success_prediction": models})
    records = history(time.time(), dies_hours_ago)
    async with running(settings) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        law = run.service.decider.law(ask(weights={"success": 1.0}))
        return float(law.probabilities[law.agents.index("ada")])


async def test_while_it_is_good_it_is_chosen(tmp_path: Path, sqlite_url: str) -> None:
    assert await share_of_ada(tmp_path, sqlite_url, 0, **FORGETTING) > 0.6


async def test_with_a_half_life_the_share_of_one_that_dies_falls(
    tmp_path: Path, sqlite_url: str
) -> None:
    assert await share_of_ada(tmp_path, sqlite_url, 36, **FORGETTING) < 0.05


async def test_without_forgetting_its_past_still_speaks_for_it(
    tmp_path: Path, sqlite_url: str
) -> None:
    assert await share_of_ada(tmp_path, sqlite_url, 36) > 0.5
