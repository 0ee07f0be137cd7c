"""
The hub: events to everybody who reads along, none of whom can hold up another.

Events of the last minutes lie in a bounded ring, so that a reader who lost the
connection goes on where it was. A reader that does not keep up loses what waits
for it and is told how much that was: it asks how things are now instead.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import BaseModel

from olearn_core.errors import NotReadyError, TooManyRequestsError
from olearn_core.times import came

OPERATORS: Final = "*"
METRICS: Final = "metrics"
KEPT = 1_000
MOST_WAITING = 256


class LiveEvent(NamedTuple):
    """
    Something that happened.

    :param number: its place among all events of this process, 0 where it is not kept
    :param tenant: whose it is, None for everybody's, `*` for operators only
    :param data: one line of JSON
    :param confined_to: of metrics, the tenant that may see them; None for operators
    """

    number: int
    topic: str
    tenant: str | None
    data: str
    confined_to: str | None = None


@dataclass(eq=False, slots=True)
class Reader:
    """
    One who reads along.

    :param tenant: whose metrics it gets
    :param confined_to: the tenant whose events alone it may see, None for an operator
    :param missed: events it did not get since the last time it was told of them;
        None where there is nothing to be told
    :param credential_id: who it is, empty where nobody has to say
    """

    topics: Collection[str]
    tenant: str
    confined_to: str | None
    missed: int | None
    credential_id: str = ""
    _waiting: deque[LiveEvent] = field(default_factory=deque)
    _metrics: LiveEvent | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False

    def wants(self, event: LiveEvent) -> bool:
        """Tell whether an event is for this reader."""
        if event.topic not in self.topics:
            return False
        if event.topic == METRICS:
            return (event.tenant, event.confined_to) == (self.tenant, self.confined_to)
        return self.confined_to is None or event.tenant in (None, self.confined_to)

    def put(self, event: LiveEvent) -> None:
        """Have an event wait for the reader; only the newest metrics do."""
        if event.topic == METRICS:
            self._metrics = event
        else:
            self._waiting.append(event)
        if len(self._waiting) > MOST_WAITING:
            self.missed = (self.missed or 0) + len(self._waiting)
            self._waiting.clear()
        self._came.set()

    async def take(self, seconds: float) -> Sequence[LiveEvent]:
        """Return what has come; nothing after so many seconds, or when it is over."""
        await came(self._came, seconds)
        self._came.clear()
        taken = [*self._waiting, *([self._metrics] if self._metrics else [])]
        self._waiting.clear()
        self._metrics = None
        return taken

    def told(self) -> int | None:
        """Return how many events it missed, and take it as told."""
        missed, self.missed = self.missed, None
        return missed

    def close(self) -> None:
        """End: nothing more comes."""
        self.is_closed = True
        self._came.set()


class Hub:
    """
    Hands every event to all readers that want it.

    :param most_readers: at once; further ones are refused
    :param most_of_one: of these, with the same credential; 0 for all
    """

    def __init__(self, most_readers: int, most_of_one: int = 0) -> None:
        self._most_readers = most_readers
        self._most_of_one = most_of_one
        self._life = os.urandom(4).hex()  # numbers begin anew with each process
        self._number = 0
        self._ring: deque[LiveEvent] = deque(maxlen=KEPT)
        self._readers: set[Reader] = set()
        self._is_closed = False

    def publish(
        self,
        topic: str,
        body: BaseModel,
        tenant: str | None = None,
        confined_to: str | None = None,
    ) -> None:
        """
        Tell everybody who wants to know; it costs nobody's time.

        :param tenant: whose it is, None for everybody's, `*` for operators only
        :param confined_to: of metrics, the tenant that may see them; None for operators
        """
        number = 0
        if topic != METRICS:
            self._number += 1
            number = self._number
        event = LiveEvent(number, topic, tenant, body.model_dump_json(), confined_to)
        if number:
            self._ring.append(event)
        for reader in self._readers:
            if reader.wants(event):
                reader.put(event)

    def attach(
        self,
        topics: Collection[str],
        tenant: str,
        confined_to: str | None,
        last_id: str | None = None,
        credential_id: str = "",
    ) -> Reader:
        """
        Return a new reader; it is to be detached when it is gone.

        :param tenant: whose metrics it gets
        :param confined_to: the tenant whose events alone it may see, None for an operator
        :param last_id: of the last event that it has seen
        :param credential_id: who it is, empty where nobody has to say
        :raises NotReadyError: where there are too many readers, or the service stops
        :raises TooManyRequestsError: where too many of them have this credential
        """
        if self._is_closed:
            raise NotReadyError("the service is stopping; connect to another node")
        self._refuse_crowd(credential_id)
        seen = self._number_of(last_id)
        missed = None if self._has_all_after(seen) else 0
        reader = Reader(topics, tenant, confined_to, missed, credential_id)
        if reader.missed is None:
            for event in self._ring:
                if event.number > (seen or 0) and reader.wants(event):
                    reader.put(event)
        self._readers.add(reader)
        return reader

    def detach(self, reader: Reader) -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    def id_of(self, event: LiveEvent) -> str | None:
        """Return what a reader shows to go on behind an event, None for one that is not kept."""
        return f"{self._life}-{event.number}" if event.number else None

    @property
    def newest_id(self) -> str:
        """The id of the newest event that is kept."""
        return f"{self._life}-{self._number}"

    @property
    def readers(self) -> Collection[Reader]:
        """Everybody who reads along."""
        return self._readers

    def close(self) -> None:
        """End every stream, and take no more readers."""
        self._is_closed = True
        for reader in self._readers:
            reader.close()

    def _refuse_crowd(self, credential_id: str) -> None:
        own = sum(reader.credential_id == credential_id for reader in self._readers)
        if credential_id and 0 < self._most_of_one <= own:
            raise TooManyRequestsError(
                f"{own} streams have this credential already: close one, use another credential,"
                " or raise [api] most_streams_of_one"
            )
        if len(self._readers) >= self._most_readers:
            raise NotReadyError(
                f"{self._most_readers} readers follow this node already: connect to another one,"
                " or raise [api] most_stream_readers"
            )

    def _number_of(self, last_id: str | None) -> int | None:
        life, _, number = (last_id or "").rpartition("-")
        known = life == self._life and number.isascii() and number.isdecimal()
        return int(number) if known and len(number) <= 19 else None

    def _has_all_after(self, seen: int | None) -> bool:
        if seen is None or seen > self._number:
            return False
        return seen == self._number or self._ring[0].number <= seen + 1
