"""What goes wrong in a running service fires its alert, which is over when all is well again."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from olearn_core.service import vital_signs
from olearn_core.storage.shards import ShardStore
from olearn_core.storage.tables import learning_events
from tests.api.conftest import Api, Serving
from tests.support.events import outcome
from tests.support.services import eventually, publish, received

# Looks follow each other closely, and what is of a window is soon forgotten.
QUICK = {"interval_seconds": 0.02, "window_minutes": 0.01}
SELDOM_SAVED = {"save_interval_seconds": 3_600.0}


async def looked(api: Api) -> None:
    """Wait until alerts were looked for: what happened before is nobody's news."""

    async def once() -> bool:
        return (await api.get("/alerts")).json()["as_of"] is not None

    await eventually(once)


async def firing(api: Api, kind: str) -> str:
    """Wait until an alert of this kind fires; return its id."""

    def found() -> str:
        entries = api.service.alerts.book.firing.values()
        return next((entry.id for entry in entries if entry.alert.kind == kind), "")

    return str(await eventually(found, f"no {kind} fires"))


async def over(api: Api, alert_id: str) -> None:
    """Wait until an alert is over."""
    recent = api.service.alerts.book.recent
    await eventually(lambda: any(e.id == alert_id for e in recent), f"{alert_id} goes on")


async def test_updates_that_fail_and_what_waits_meanwhile(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"retry_seconds": 0.01}
    waiting = QUICK | {"lag_records": 20, "lag_seconds": 0.01}

    async def away(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    async with serving(alerts=waiting, learning=quick) as api:
        await looked(api)
        with monkeypatch.context() as patched:
            patched.setattr(ShardStore, "save", away)
            await publish(api.service.publisher, [outcome(event_id="first")])
            begun = [await firing(api, "failed_updates"), await firing(api, "fault")]
            await publish(api.service.publisher, [outcome(event_id=str(n)) for n in range(30)])
            begun.append(await firing(api, "lag"))
        for alert_id in begun:
            await over(api, alert_id)
        await received(api.service, 31)


async def test_updates_that_are_slow(serving: Serving) -> None:
    async with serving(alerts=QUICK | {"mean_update_ms": 0.000_1}) as api:
        updating = asyncio.create_task(kept_learning(api))
        begun = await firing(api, "slow_updates")
        updating.cancel()
        await over(api, begun)


async def kept_learning(api: Api) -> None:
    while True:
        await api.learn({"agent_name": "ada", "status": "success"})


async def test_records_that_come_while_nothing_is_learned(serving: Serving) -> None:
    async with serving(alerts=QUICK | {"never_learning_minutes": 0.000_1}) as api:
        await looked(api)
        pending = [outcome(event_id=str(n), status="pending") for n in range(25)]
        await publish(api.service.publisher, pending)
        begun = await firing(api, "never_learning")
        await publish(api.service.publisher, [outcome(event_id="learned")])
        await over(api, begun)


async def test_what_is_learned_and_never_saved(serving: Serving) -> None:
    stale = QUICK | {"stale_model_minutes": 0.000_1}
    async with serving(alerts=stale, versions=SELDOM_SAVED) as api:
        await api.learn({"agent_name": "ada", "status": "success"})
        begun = await firing(api, "stale_model")
        assert (await api.post("/models/save")).status_code == 200
        await over(api, begun)


async def test_an_hour_that_is_worse_than_the_one_before(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vital_signs, "HOURS_AGE_SECONDS", 0.0)
    async with serving(alerts=QUICK) as api:
        await api.learn(*({"agent_name": "ada", "status": "success"} for _ in range(30)))
        await an_hour_later(api)
        await api.learn(*({"agent_name": "ada", "status": "failure"} for _ in range(30)))
        begun = await firing(api, "improvement")
        await an_hour_later(api)
        await over(api, begun)


async def an_hour_later(api: Api) -> None:
    """Let all that was committed be an hour older."""
    column = learning_events.c.created_at
    async with api.service.database.write() as connection:
        await connection.execute(update(learning_events).values(created_at=column - 3_600.0))
