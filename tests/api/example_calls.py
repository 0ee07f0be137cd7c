"""
The examples of the OpenAPI document, sent to a service as they stand there.

``python -m tests.api.example_calls`` records the answers as the document's examples of answers.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2

from olearn_core.api import examples
from olearn_core.api.app import create_app
from olearn_core.service import Service
from tests.support.credentials import admit
from tests.support.services import eventually, received, running, settings_for

FLEET = [
    {"agent_name": agent, "task_type": "summarise", "status": status, "latency_ms": latency_ms}
    | {"cost_usd": cost_usd, "quality_score": quality}
    for agent, latency_ms, cost_usd, quality in (
        ("atlas", 700, 0.012, 0.9),
        ("borealis", 1_900, 0.004, 0.7),
    )
    for status in ("success", "success", "partial")
]
BAD = b'{"agent_name": "atlas", "status": "great"}'
FIRST_LINES = 24
RECORDED = Path(examples.__file__).with_name(examples.FILE)


@dataclass(frozen=True)
class ExampleCall:
    """
    A request made of an operation's examples.

    :param expected: the status of success
    """

    operation_id: str
    method: str
    path: str
    query: Mapping[str, Any]
    body: Any
    expected: int


def calls(document: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[ExampleCall]:
    """
    Return a request for each operation, in the document's order.

    :param known: values of path parameters that only a running service can give
    """
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            given = {p["name"]: _value(p, known) for p in operation["parameters"] if p["required"]}
            content = operation.get("requestBody", {}).get("content", {})
            yield ExampleCall(
                operation["operationId"],
                method,
                path.format(**given),
                {p["name"]: p["schema"]["default"] for p in _with_default(operation)},
                content.get("application/json", {}).get("example"),
                next(int(status) for status in operation["responses"] if status < "300"),
            )


def _value(parameter: Mapping[str, Any], known: Mapping[str, str]) -> Any:
    name = parameter["name"]
    return known[name] if name in known else parameter["schema"]["examples"][0]


def _with_default(operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    parameters = operation["parameters"]
    return (p for p in parameters if p["in"] == "query" and "default" in p["schema"])


async def answers(service: Service) -> AsyncIterator[tuple[ExampleCall, httpx2.Response]]:
    """Send all examples to a new service, in the document's order."""
    transport = httpx2.ASGITransport(create_app(service), raise_app_exceptions=False)
    headers = await admit(service)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        known = await _prepared(service, client)
        document = (await client.get("/openapi.json")).json()
        for call in calls(document, known):
            options = {"params": call.query} | ({} if call.body is None else {"json": call.body})
            yield call, await client.request(call.method, call.path, **options)


def told(answer: httpx2.Response) -> Any:
    """Return an answer's members, or the first lines of its text."""
    if answer.headers["content-type"].startswith("application/json"):
        return answer.json()
    lines = answer.text.splitlines(keepends=True)
    ours = (line for line in lines if "process_" not in line and "python_" not in line)
    return "".join(islice(ours, FIRST_LINES))


async def _prepared(service: Service, client: httpx2.AsyncClient) -> dict[str, str]:
    """Give the service something to tell of; return what the examples cannot know."""
    root = "/api/learning"
    for count, outcome in enumerate(FLEET, 1):
        await client.post(f"{root}/outcomes", json={"event_id": f"run-{count}", **outcome})
    await received(service, len(FLEET))
    await client.post(f"{root}/models/save")
    await service.publisher.publish("bad", BAD)
    decided = await client.post(f"{root}/decisions", json={"task_type": "summarise"})

    async def is_refused() -> bool:
        return bool((await client.get(f"{root}/dead-letters")).json()["total"])

    await eventually(is_refused, "a dead letter")
    later = {"agent_name": "atlas", "task_type": "summarise", "status": "failure"}
    await client.post(f"{root}/outcomes", json=later)
    await received(service, len(FLEET) + 2)
    return {"decision_id": decided.json()["decision_id"]}


async def _record() -> None:
    recorded = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder), f"sqlite+aiosqlite:///{folder}/olearn.db")
        async with running(settings) as run:
            async for call, answer in answers(run.service):
                if answer.status_code != call.expected:
                    raise AssertionError(f"{call}: {answer.text}")
                recorded[call.operation_id] = told(answer)
    RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(_record())
