"""A producer that does not stop for faults: what is not acknowledged is sent again."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.nemesis.parameters import Parameters

TICK_SECONDS = 0.05
MOST_IN_FLIGHT = 4_000
BATCH_BYTES = 1 << 18
RECENT = 20_000
BACKOFF_SECONDS = 0.2
REQUEST_TIMEOUT_MS = 5_000

AGENTS = [f"agent-{number}" for number in range(12)]
TASKS = ["code", "plan", "search", "write"]
STATUSES = ["success"] * 14 + ["failure"] * 3 + ["partial", "timeout", "cancelled", None]
POISON = [
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"agent_name": "", "status": "success"}',
    b'{"agent_name": "a", "status": "success", "latency_ms": -1}',
    b'{"agent_name": "a"}',
]


class Producer:
    """
    Sends outcomes, repeats and poison; a repeat has the key, so the partition, of its first.

    It is not idempotent: after a broker's crash such a client can lack a sequence number
    for ever, and then sends nothing more.

    :ivar acknowledged: how many records the broker has said it has
    :ivar sent_again: how many were sent once more, as nobody said so
    """

    def __init__(self, bootstrap: str, topic: str, parameters: Parameters) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._parameters = parameters
        self._rng = random.Random(parameters.seed)
        self._recent: list[tuple[bytes, bytes]] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self.made = 0
        self.acknowledged = 0
        self.sent_again = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, and until there are as many as there have to be."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            client = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                linger_ms=5,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            stack.push_async_callback(client.stop)
            await client.start()
            began = loop.time()
            while not (stop.is_set() and self.made >= self._parameters.events):
                due = (loop.time() - began) * self._parameters.events_per_second
                while self.made < due and len(self._in_flight) < MOST_IN_FLIGHT:
                    await self._send(client, *self._next())
                if self.made < due:
                    began = loop.time() - self.made / self._parameters.events_per_second
                await asyncio.sleep(TICK_SECONDS)
            await asyncio.gather(*self._in_flight)

    async def _send(self, client: AIOKafkaProducer, key: bytes, value: bytes) -> None:
        self.made += 1
        task = asyncio.create_task(self._deliver(client, key, value))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _deliver(self, client: AIOKafkaProducer, key: bytes, value: bytes) -> None:
        while True:
            try:
                await client.send_and_wait(self._topic, value, key=key)
            except KafkaError:
                self.sent_again += 1
                await asyncio.sleep(BACKOFF_SECONDS)
            else:
                self.acknowledged += 1
                return

    def _next(self) -> tuple[bytes, bytes]:
        rng, kind = self._rng, self._rng.random()
        if self._recent and kind < self._parameters.duplicate_share:
            return rng.choice(self._recent)
        key = f"{self._parameters.seed}-{self.made}"
        if kind > 1.0 - self._parameters.poison_share:
            return key.encode(), rng.choice(POISON)
        record = (key.encode(), outcome(rng, key))
        self._recent.append(record)
        if len(self._recent) > 2 * RECENT:
            del self._recent[:RECENT]
        return record


def outcome(rng: random.Random, event_id: str) -> bytes:
    """Return one outcome of a fleet."""
    status = rng.choice(STATUSES)
    event = {
        "event_id": event_id,
        "tenant_id": "acme" if rng.random() < 0.1 else None,
        "agent_name": rng.choice(AGENTS),
        "task_type": rng.choice(TASKS),
        "status": status,
        "timestamp": datetime.now(UTC).isoformat(),
        "latency_ms": round(rng.lognormvariate(6, 1), 2) if rng.random() < 0.9 else None,
        "cost_usd": round(rng.lognormvariate(-5, 1), 6) if rng.random() < 0.5 else None,
        "quality_score": round(rng.random(), 3) if status is None or rng.random() < 0.3 else None,
        "context": {"domain": rng.choice(("art", "law"))} if rng.random() < 0.5 else None,
    }
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()
