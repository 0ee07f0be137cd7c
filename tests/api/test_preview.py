"""What would be chosen can be looked at without a trace."""

from __future__ import annotations

from sqlalchemy import func, select

from olearn_core.storage.tables import decision_log
from tests.api.conftest import Api

ASKED = {"task_type": "code", "eligible_agents": ["ada", "bob"], "explain": True, "preview": True}
OUTCOMES = [
    {"event_id": f"{agent}{n}", "agent_name": agent, "task_type": "code", "status": status}
    for agent, status in (("ada", "success"), ("bob", "failure"))
    for n in range(20)
]


async def logged(api: Api) -> int:
    await api.service.decision_writer.flush()
    async with api.service.database.read() as connection:
        count: int = await connection.scalar(select(func.count()).select_from(decision_log))
    return count


async def test_a_preview_is_the_law_with_the_likeliest_first(api: Api) -> None:
    await api.learn(*OUTCOMES)
    seen = [(await api.post("/decisions", json=ASKED)).json() for _ in range(5)]
    shown = [one["recommendations"] for one in seen]
    assert all(one == shown[0] for one in shown), "nothing is drawn"
    law = {row["agent_name"]: row["probability"] for row in shown[0]}
    assert law["ada"] > law["bob"]
    assert seen[0]["agent_name"] == seen[0]["explanation"]["agent_name"] == "ada"
    assert seen[0]["propensity"] == law["ada"]
    drawn = (await api.post("/decisions", json=ASKED | {"preview": False})).json()
    assert {row["agent_name"]: row["probability"] for row in drawn["recommendations"]} == law


async def test_a_preview_leaves_no_trace(api: Api) -> None:
    answer = (await api.post("/decisions", json=ASKED)).json()
    assert answer["decision_id"] == ""
    assert await logged(api) == 0
    await api.post("/decisions", json=ASKED | {"preview": False})
    assert await logged(api) == 1
