"""Keeps the picture fresh: the event stream where there is one, polling where there is none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from olearn_core.schemas import AlertBody, AlertsResponse, MetricsResponse, SnapshotEvent
from olearn_tui.errors import LinkError
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import ALERTS, METRICS, STATUS, Resource
from olearn_tui.feed.sse import Sent

T = TypeVar("T")
ALWAYS: tuple[Resource[Any], ...] = (METRICS, STATUS)
TICK_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
STREAM_AGAIN_SECONDS = 1.0
AGAIN_SECONDS = 30.0  # after which what is missing or forbidden is asked for once more
QUIET = ("snapshot", "metrics")  # not shown in the tail: they come each second


class Feed:
    """
    Reads what is wanted for as long as it runs, whatever happens.

    :param changed: called when the picture or the state of the link has changed
    """

    def __init__(
        self,
        connection: Connection,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connection = connection
        self.picture = Picture()
        self.changed = changed
        self.clock = clock
        self._wanted: tuple[Resource[Any], ...] = ALWAYS
        self._due: dict[str, float] = {}
        self._hurry = asyncio.Event()
        self._last_id = ""
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0

    def want(self, resources: Sequence[Resource[Any]]) -> None:
        """Read these from now on, beside what is always read; those not read yet at once."""
        self._wanted = tuple({r.path: r for r in (*ALWAYS, *resources)}.values())
        self._hurry.set()

    def hurry(self) -> None:
        """Read everything that is wanted, and connect, without waiting any longer."""
        self._due.clear()
        self.picture.link.retry_at = 0.0
        self._hurry.set()

    async def run(self) -> None:
        """Read until cancelled."""
        async with self.connection, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            tasks.create_task(self._listen())

    async def _poll(self) -> None:
        while True:
            self._hurry.clear()
            if self.clock() >= self.picture.link.retry_at:
                await self._round()
            self._tell()
            await self._nap(TICK_SECONDS)

    def _tell(self) -> None:
        """Tell of what is new; while the service does not answer, also that time goes by."""
        now = self.clock()
        news = (self.picture.changes, self.picture.link.state, self.picture.link.attempt)
        if news != self._told or now - self._told_at >= 1.0:
            self._told, self._told_at = news, now
            self.changed()

    async def _round(self) -> None:
        try:
            for resource in self._wanted:
                if self._is_due(resource):
                    await self._read(resource)
        except LinkError as error:
            self._lost(error)

    def _is_due(self, resource: Resource[Any]) -> bool:
        if resource is METRICS and self.picture.streams:
            return False
        return self.clock() >= self._due.get(resource.path, 0.0)

    async def _read(self, resource: Resource[Any]) -> None:
        link = self.picture.link
        wait = resource.every_seconds
        try:
            answer = await self._answer(resource)
        except LinkError as error:
            if not (error.is_local or (resource.asked is not None and error.fault == "failing")):
                raise
            self.picture.blame(resource, str(error))
            wait = AGAIN_SECONDS
        else:
            self.picture.take(resource, answer, self.clock())
        self._due[resource.path] = self.clock() + wait - TICK_SECONDS / 2
        link.state, link.detail, link.attempt = "live", "", 0
        link.heard_at = self.clock()

    async def _answer(self, resource: Resource[T]) -> T:
        if resource.asked is None:
            return await self.connection.get(resource.path, resource.shape)
        return await self.connection.post(resource.path, resource.asked, resource.shape)

    def _lost(self, error: LinkError) -> None:
        link = self.picture.link
        link.state, link.detail = "lost", str(error)
        link.attempt += 1
        link.retry_at = self.clock() + min(LONGEST_WAIT_SECONDS, 2.0 ** min(link.attempt - 1, 10))
        self._due.clear()

    async def _listen(self) -> None:
        """Follow the stream; where it ends or there is none, try again."""
        while True:
            wait = STREAM_AGAIN_SECONDS
            try:
                async for sent in self.connection.events(self._last_id):
                    self.picture.streams = True
                    self._last_id = sent.id or self._last_id
                    self._hear(sent)
            except LinkError as error:
                wait = AGAIN_SECONDS if error.is_local else LONGEST_WAIT_SECONDS / 2
            self.picture.streams = False
            await asyncio.sleep(wait)

    def _hear(self, sent: Sent) -> None:
        """Take an event; one that cannot be read is left out, as the next may be fine."""
        now = self.clock()
        try:
            if sent.name == "metrics":
                self.picture.take(METRICS, MetricsResponse.model_validate_json(sent.data), now)
            elif sent.name == "snapshot":
                self._take_snapshot(SnapshotEvent.model_validate_json(sent.data), now)
            elif sent.name == "alert":
                self._take_alert(AlertBody.model_validate_json(sent.data))
            data = json.loads(sent.data)
        except (ValidationError, ValueError):
            self.picture.missed += 1
            return
        if sent.name not in QUIET and isinstance(data, dict):
            self.picture.note(sent.name, data, now)
        if self.picture.link.state == "live":
            self.picture.link.heard_at = now

    def _take_snapshot(self, snapshot: SnapshotEvent, now: float) -> None:
        self.picture.missed += snapshot.missed
        if snapshot.metrics is not None:
            self.picture.take(METRICS, snapshot.metrics, now)
        known = self.picture.read(ALERTS)
        recent = [] if known is None else known.recent
        answer = AlertsResponse(firing=snapshot.alerts, recent=recent, as_of=snapshot.as_of)
        self.picture.take(ALERTS, answer, now)

    def _take_alert(self, alert: AlertBody) -> None:
        known = self.picture.read(ALERTS)
        firing = [a for a in known.firing if a.id != alert.id] if known else []
        recent = [a for a in known.recent if a.id != alert.id] if known else []
        if alert.state == "firing":
            firing.insert(0, alert)
        else:
            recent.insert(0, alert)
        as_of = known.as_of if known else None
        answer = AlertsResponse(firing=firing, recent=recent[:50], as_of=as_of)
        self.picture.take(ALERTS, answer, self.clock())

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return
