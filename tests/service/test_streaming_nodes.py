"""What one node saves is told by all."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from olearn_core.live.hub import Reader
from olearn_core.service import Service
from tests.support.services import publish, running, settings_for


async def told(reader: Reader, *topics: str) -> dict[str, dict[str, Any]]:
    """Return the first event of each of these topics."""
    found: dict[str, dict[str, Any]] = {}
    while not found.keys() >= set(topics):
        for event in await reader.take(10):
            found.setdefault(event.topic, json.loads(event.data))
    return found


async def test_a_node_that_only_answers_tells_what_a_learner_saves(
    tmp_path: Path, database_url: str
) -> None:
    async with AsyncExitStack() as stack:

        async def node(role: str) -> Service:
            settings = settings_for(tmp_path, database_url, service={"role": role})
            return (await stack.enter_async_context(running(settings))).service

        api, learner = await node("api"), await node("learner")
        topics = {"checkpoint", "dead_letter", "version"}
        reader = api.telling.hub.attach(topics, "default", None)
        good, bad = b'{"agent_name": "ada", "status": "success"}', b'{"agent_name": "ada"'
        await publish(api.publisher, [good, bad])
        saved = await told(reader, "checkpoint", "dead_letter")
        assert saved["checkpoint"]["owner"] == learner.instance
        assert saved["dead_letter"]["payload_head"] == bad.decode()
        (version, *_) = await learner.versions.save()
        found = await told(reader, "version")
        assert found["version"]["sha256"] == version.sha256
