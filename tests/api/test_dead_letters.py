"""Operators look at dead letters and have them learned after all, each once."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from olearn_core.errors import SourceError
from olearn_core.events import decode_outcome
from olearn_core.storage.dead_letters import DeadLetterStore
from olearn_core.storage.tables import dead_letters, outcome_log
from tests.api.conftest import Api, Serving
from tests.support.events import POISON
from tests.support.services import eventually, received

DAY = 86_400.0
GOOD = {"agent_name": "ada", "task_type": "code", "status": "success"}
LONG = b'{"agent_name": "", "output": "' + b"x" * 5_000 + b'"}'
POINTED = (
    *POISON,
    b"",
    b'{"agent_name": "a", "status": "great"}',
    b'{"agent_name": "a\\u0000", "status": "success"}',
    b'{"agent_name": "a", "task_type": "\\u0007", "status": "success"}',
    b'{"agent_name": "a", "tenant_id": "\\n", "status": "success"}',
    b'{"agent_name": "a", "status": "success", "context": 3}',
    b'{"specversion": "1.0", "data": {"status": "success"}}',
)


async def refuse(api: Api, *records: bytes) -> list[dict[str, Any]]:
    """Have records become dead letters; return these, oldest first."""
    known = (await api.get("/dead-letters")).json()["total"]
    for record in records:
        await api.service.publisher.publish("key", record)

    async def all_there() -> bool:
        return (await api.get("/dead-letters")).json()["total"] == known + len(records)

    await eventually(all_there, "dead letters")
    letters = (await api.get("/dead-letters?limit=500")).json()["letters"]
    return letters[: len(records)][::-1]


async def put(api: Api, payload: bytes, **fields: Any) -> int:
    """Write a dead letter as an older olearn may have, and return its id."""
    row = {"source": "kafka", "topic": "outcomes", "partition": 3, "offset": 17}
    row |= {"reason": "an older reason", "pointer": "", "payload_sha256": "0" * 64}
    row |= {"payload_head": payload, "payload_bytes": len(payload), "created_at": time.time()}
    async with api.service.database.write() as connection:
        stored = await connection.execute(insert(dead_letters).values(row | fields))
        return int(stored.inserted_primary_key[0])


async def logged(api: Api) -> list[bytes]:
    """Return what lies in the log."""
    async with api.service.database.read() as connection:
        rows = await connection.execute(select(outcome_log.c.value).order_by(outcome_log.c.offset))
        return list(rows.scalars())


async def retry(api: Api, letter_id: int, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await api.post(f"/dead-letters/{letter_id}/retry", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_before_any_dead_letter_there_is_nothing_to_see(api: Api) -> None:
    body = (await api.get("/dead-letters")).json()
    assert body == {"letters": [], "total": 0, "not_retried": 0, "by_reason": {}}


async def test_a_letter_says_what_was_wrong_where(api: Api) -> None:
    bad = b'{"agent_name": "a", "status": "success", "latency_ms": -1}'
    (letter,) = await refuse(api, bad)
    assert (letter["source"], letter["topic"], letter["partition"]) == ("embedded", "outcomes", 0)
    assert (letter["pointer"], letter["payload_bytes"]) == ("/latency_ms", len(bad))
    assert ">= 0" in letter["reason"]
    assert (letter["whole"], letter["retried_at"]) == (True, None)
    assert abs(datetime.fromisoformat(letter["created_at"]).timestamp() - time.time()) < 60
    shown = (await api.get(f"/dead-letters/{letter['id']}")).json()
    assert letter.items() <= shown.items()
    assert (shown["payload_text"], shown["lossy"]) == (bad.decode(), False)


async def test_they_are_paged_from_the_newest_on_and_counted_whatever_the_page(api: Api) -> None:
    letters = await refuse(api, b"{", b"", b"", b'{"agent_name": "a"}')
    body = (await api.get("/dead-letters?limit=3")).json()
    assert [letter["id"] for letter in body["letters"]] == [
        letter["id"] for letter in letters[:0:-1]
    ]
    assert (body["total"], body["not_retried"]) == (4, 4)
    assert next(iter(body["by_reason"].items())) == ("the event is empty", 2)
    before = body["letters"][-1]["id"]
    rest = (await api.get(f"/dead-letters?before={before}")).json()
    assert [letter["id"] for letter in rest["letters"]] == [letters[0]["id"]]
    assert rest["total"] == 4


async def test_they_are_found_by_reason_topic_age_and_whether_they_were_retried(api: Api) -> None:
    old = await put(api, b"{}", offset=1, created_at=time.time() - DAY)
    other = await put(api, b"{}", offset=2, topic="other", reason="Something ELSE")
    done = await put(api, b"{}", offset=3, retried_at=time.time())

    async def found(**query: str) -> list[int]:
        body = (await api.get("/dead-letters", params=query)).json()
        assert body["total"] == len(body["letters"])
        return [letter["id"] for letter in body["letters"]]

    an_hour_ago = datetime.fromtimestamp(time.time() - 3_600).astimezone().isoformat()
    assert await found(reason="something else") == [other]
    assert await found(topic="other") == [other]
    assert await found(since=an_hour_ago) == [done, other]
    assert await found(retried="true") == [done]
    assert await found(retried="false") == [other, old]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("before=0", "before"),
        (f"before={1 << 63}", "before"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("reason=%00", "reason"),
        ("topic=" + "t" * 301, "topic"),
        ("retried=perhaps", "retried"),
        ("tenant=acme", "tenant"),
    ],
)
async def test_a_wrong_filter_is_pointed_at(api: Api, query: str, parameter: str) -> None:
    answer = await api.get(f"/dead-letters?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("letter_id", ["1", "0", "-1", "x", "1.0", "٣", f"{1 << 63}", "9" * 400])
async def test_a_letter_that_is_not_there_is_not_found(api: Api, letter_id: str) -> None:
    for answer in (
        await api.get(f"/dead-letters/{letter_id}"),
        await api.post(f"/dead-letters/{letter_id}/retry"),
    ):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("payload", "text", "lossy"),
    [(b"\xff\xfe{", "\ufffd\ufffd{", True), ("ü\ufffd".encode(), "ü\ufffd", False)],
)
async def test_what_is_no_text_is_marked_and_comes_as_it_was(
    api: Api, payload: bytes, text: str, lossy: bool
) -> None:
    (letter,) = await refuse(api, payload)
    shown = (await api.get(f"/dead-letters/{letter['id']}")).json()
    assert (shown["payload_text"], shown["lossy"]) == (text, lossy)
    assert base64.b64decode(shown["payload_base64"]) == payload


@pytest.mark.parametrize("payload", POINTED)
async def test_what_is_still_bad_is_refused_for_the_same_reason(api: Api, payload: bytes) -> None:
    (letter,) = await refuse(api, payload)
    problem = await retry(api, letter["id"], 422)
    assert problem["detail"].endswith(letter["reason"])
    pointers = [f"#{letter['pointer']}"] if letter["pointer"] else []
    assert [error["pointer"] for error in problem["errors"]] == pointers
    shown = (await api.get(f"/dead-letters/{letter['id']}")).json()
    assert shown["retried_at"] is None
    assert await logged(api) == [payload], "nothing was published"


async def test_a_letter_that_is_good_by_now_is_learned(serving: Serving) -> None:
    async with serving(decisions={"require_decision_token": True}) as api:
        (letter,) = await refuse(api, json.dumps(GOOD | {"tenant_id": "acme"}).encode())
        problem = await retry(api, letter["id"], 422)
        assert problem["detail"] == f"/decision_id: {letter['reason']}"
    async with serving() as api:
        done = await retry(api, letter["id"])
        await received(api.service, 2)
        assert api.service.view.tenants == {"acme"}, "its tenant stays"
        assert api.service.view.counters()["samples"] == 1
        assert (done["id"], done["status"]) == (letter["id"], "retried")
        assert done["offset"] > letter["offset"]
        shown = (await api.get(f"/dead-letters/{letter['id']}")).json()
        assert shown["retried_at"] == done["retried_at"]
        assert (await api.get("/dead-letters")).json()["not_retried"] == 0


async def test_a_corrected_outcome_takes_the_place_of_a_bad_one(api: Api) -> None:
    (letter,) = await refuse(api, b"{")
    done = await retry(api, letter["id"], outcome=GOOD)
    await received(api.service, 2)
    assert api.service.view.counters()["samples"] == 1
    assert json.loads((await logged(api))[1])["event_id"] == done["event_id"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"outcome": {"agent_name": "a"}}', 422, "#/status"),
        (b'{"outcome": {"agent_name": "a", "success": true, "latency_ms": NaN}}', 422, None),
        (b'{"outcome": {"agent_name": "a", "success": true, "latency_ms": 1e999}}', 422, None),
        (b'{"outcome": []}', 422, "#/outcome"),
        (b'{"outcom": {}}', 422, "#/outcom"),
        (b'{"again": "yes"}', 422, "#/again"),
        (b"{", 400, None),
        (b"[]", 422, "#"),
    ],
)
async def test_a_correction_that_is_wrong_itself_is_refused(
    api: Api, body: bytes, status: int, pointer: str | None
) -> None:
    letter_id = await put(api, b"{")
    headers = {"content-type": "application/json"}
    answer = await api.post(f"/dead-letters/{letter_id}/retry", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ([pointer] if pointer else [])
    assert await logged(api) == []


async def test_what_has_no_event_id_gets_one_of_where_it_lay(api: Api) -> None:
    timed = GOOD | {"timestamp": "2026-01-01T00:00:00Z"}
    done = await retry(api, await put(api, json.dumps(timed).encode()))
    assert done["event_id"] == "dead-letter:kafka/outcomes/3/17"
    (event,) = map(json.loads, await logged(api))
    assert event == timed | {"event_id": done["event_id"]}


async def test_even_where_the_topics_name_is_as_long_as_kafka_allows(api: Api) -> None:
    ids = set()
    for offset in (1, 2):
        payload = json.dumps(GOOD).encode()
        letter_id = await put(api, payload, topic="t" * 249, offset=offset)
        ids.add((await retry(api, letter_id))["event_id"])
    assert len(ids) == 2
    await received(api.service, 2)
    assert api.service.view.counters()["samples"] == 2


async def test_what_has_an_event_id_and_a_time_is_published_as_it_was(api: Api) -> None:
    whole = GOOD | {"event_id": "mine", "timestamp": "2026-01-01T00:00:00Z", "own": {"x": [1e5]}}
    payload = json.dumps(whole).encode()
    done = await retry(api, await put(api, payload))
    assert done["event_id"] == "mine"
    assert await logged(api) == [payload]


async def test_what_has_no_time_happened_when_it_was_refused(api: Api) -> None:
    at = time.time() - 3 * DAY
    await retry(api, await put(api, json.dumps(GOOD).encode(), created_at=at))
    (event,) = map(json.loads, await logged(api))
    assert datetime.fromisoformat(event["timestamp"]).timestamp() == pytest.approx(at, abs=0.01)


@pytest.mark.parametrize("envelope", [{}, {"id": "ce-1"}, {"id": None, "time": None}])
async def test_a_cloud_event_is_completed_in_its_envelope(
    api: Api, envelope: dict[str, Any]
) -> None:
    event = {"specversion": "1.0", "source": "/agents", "data": GOOD} | envelope
    done = await retry(api, await put(api, json.dumps(event).encode()))
    assert done["event_id"] == (envelope.get("id") or "dead-letter:kafka/outcomes/3/17")
    (published,) = await logged(api)
    read = decode_outcome(published)
    assert (read.event_id, read.agent_name) == (done["event_id"], "ada")
    assert read.timestamp is not None


async def test_a_second_retry_is_refused_unless_it_is_meant_and_counts_once(api: Api) -> None:
    letter_id = await put(api, json.dumps(GOOD).encode())
    first = await retry(api, letter_id)
    problem = await retry(api, letter_id, 409)
    assert first["retried_at"] in problem["detail"]
    assert len(await logged(api)) == 1
    second = await retry(api, letter_id, again=True)
    assert second["event_id"] == first["event_id"]
    await received(api.service, 2)
    counters = api.service.view.counters()
    assert (counters["samples"], counters["duplicates"]) == (1, 1)


async def test_a_crash_between_publishing_and_noting_it_does_not_count_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("away"))

    letter_id = await put(api, json.dumps(GOOD).encode())
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetterStore, "mark_retried", crash)
        await retry(api, letter_id, 503)
    await retry(api, letter_id)
    await received(api.service, 2)
    counters = api.service.view.counters()
    assert (counters["samples"], counters["duplicates"]) == (1, 1)


async def test_two_operators_at_once_do_not_count_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, looked = asyncio.Event(), []

    async def publish_when_both_have_looked(key: str, value: bytes) -> int:
        looked.append(key)
        if len(looked) == 2:
            both.set()
        await both.wait()
        return await publish(key, value)

    letter_id = await put(api, json.dumps(GOOD).encode())
    publish = api.service.publisher.publish
    monkeypatch.setattr(api.service.publisher, "publish", publish_when_both_have_looked)
    first, second = await asyncio.gather(retry(api, letter_id), retry(api, letter_id))
    assert first["event_id"] == second["event_id"]
    assert looked[0] == looked[1], "equal keys share a partition, where the repeat is seen"
    await received(api.service, 2)
    counters = api.service.view.counters()
    assert (counters["samples"], counters["duplicates"]) == (1, 1)


async def test_a_record_of_which_only_the_head_is_kept_needs_a_correction(api: Api) -> None:
    (letter,) = await refuse(api, LONG)
    assert (letter["whole"], letter["payload_bytes"]) == (False, len(LONG))
    problem = await retry(api, letter["id"], 422)
    assert f"outcomes/0, offset {letter['offset']}" in problem["detail"]
    assert "file" in problem["detail"]
    await retry(api, letter["id"], outcome=GOOD)
    await received(api.service, 2)
    assert api.service.view.counters()["samples"] == 1


async def test_a_log_that_does_not_take_it_leaves_the_letter_as_it_was(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> int:
        raise SourceError("the log is away")

    letter_id = await put(api, json.dumps(GOOD).encode())
    monkeypatch.setattr(api.service.publisher, "publish", away)
    await retry(api, letter_id, 503)
    assert (await api.get("/dead-letters")).json()["not_retried"] == 1
