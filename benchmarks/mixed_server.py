"""
A node that learns at a given rate, answers predictions, or does both.

It prints its port, then each line on standard input is answered with a line of JSON: events
learned and CPU seconds used so far.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.usage import cpu_seconds
from olearn_core.api.app import create_app
from olearn_core.api.server import SWITCH_SECONDS
from olearn_core.config import Settings, load_settings
from olearn_core.service import Service
from olearn_core.sources.source import Partition, Record, Source
from tests.support.credentials import KEY_FILE

RATE = 50_000
SHORTEST_SECONDS = 0.002
LONGEST_SECONDS = 0.5  # what was not taken for longer is not made up for


class Pace:
    """Lets no more than so many records a second through, as if they came just now."""

    def __init__(self, source: Source, rate: float) -> None:
        self._fetch = source.fetch
        self._rate = rate
        self._due = 0.0
        self._counted_at = time.monotonic()

    async def fetch(
        self, most: int, timeout_seconds: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Return what is due."""
        now = time.monotonic()
        self._due += (now - self._counted_at) * self._rate
        self._due = min(self._due, self._rate * LONGEST_SECONDS)
        self._counted_at = now
        if self._due < 1:
            await asyncio.sleep(SHORTEST_SECONDS)
            return {}
        records = await self._fetch(min(most, int(self._due)), timeout_seconds)
        self._due -= sum(map(len, records.values()))
        return records


def settings(folder: Path, bootstrap: str, topic: str, role: str) -> Settings:
    """Return a node's settings: as they are by default, on Kafka and SQLite."""
    return load_settings(
        service={"role": role},
        auth={"bootstrap_key_file": folder / KEY_FILE},
        database={"url": f"sqlite+aiosqlite:///{folder / 'olearn.db'}"},
        kafka={"bootstrap_servers": bootstrap, "outcome_topic": topic, "group": folder.name},
        versions={"storage_path": folder / f"models-{role}"},
    )


async def serve(service: Service) -> None:
    """Learn and answer until standard input ends."""
    if service.learns:
        service.source.fetch = Pace(service.source, RATE).fetch  # type: ignore[method-assign]
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    server = uvicorn.Server(
        uvicorn.Config(create_app(service), log_config=None, access_log=False, lifespan="off")
    )
    if service.learns:
        await service.worker.loaded.wait()
    gc.freeze()  # this and the next as `olearn serve` does
    sys.setswitchinterval(SWITCH_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(listening.getsockname()[1], flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin, _answer, server, service)
        await server.serve(sockets=[listening])
    stop.set()
    await running


def _answer(server: uvicorn.Server, service: Service) -> None:
    if not sys.stdin.readline():
        server.should_exit = True
        return
    learned = sum(shard.next_offset for shard in service.worker.shards.values())
    said: dict[str, Any] = {"learned": learned, "cpu_seconds": cpu_seconds()}
    print(json.dumps(said), flush=True)


async def main(role: str, folder: str, bootstrap: str, topic: str) -> None:
    """Run a node of this role."""
    async with AsyncExitStack() as stack:
        made = settings(Path(folder), bootstrap, topic, role)
        service = await Service.open(made, stack)
        await service.authenticator.start()
        await serve(service)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
