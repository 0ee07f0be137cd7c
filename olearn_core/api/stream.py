"""The live stream: server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from olearn_core.api.access import shown_by
from olearn_core.api.operation import EVENT_STREAM, Call
from olearn_core.errors import OlearnError
from olearn_core.live.hub import LiveEvent, Reader
from olearn_core.service import Service

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
RETRY_MS = 2_000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def stream(call: Call) -> Response:
    """
    Follow what happens, from now on or from behind the event that `Last-Event-ID` names.

    `topics` names events, with commas between them; all without it.
    """
    topics = call.query.wanted
    if call.request.method == "HEAD":
        return Response(media_type=EVENT_STREAM, headers=HEADERS)
    last_id = call.headers.last_event_id
    reader = call.service.telling.hub.attach(
        topics, call.tenant, call.confined_to, last_id, call.credential.id
    )
    return _EventStream(call.service, reader, shown_by(call.request))


class _EventStream(StreamingResponse):
    """The events of one reader, who is let go when the connection ends, however that is."""

    def __init__(self, service: Service, reader: Reader, shown: bytes | None) -> None:
        lines = _lines(service, reader, shown)
        super().__init__(lines, media_type=EVENT_STREAM, headers=HEADERS)
        self._service = service
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader or the service has enough."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._service.telling.hub.detach(self._reader)


async def _lines(service: Service, reader: Reader, shown: bytes | None) -> AsyncIterator[str]:
    """
    Yield what the reader is told, while what it has shown is good.

    :param shown: its key or token
    """
    hub = service.telling.hub
    yield f"retry: {RETRY_MS}\n\n"
    while not reader.is_closed and await _is_good(service, shown):
        missed = reader.told()
        if missed is not None:
            yield await _snapshot(service, reader, missed)
        events = await reader.take(PAUSE_SECONDS)
        for event in events:
            yield _block(hub.id_of(event), event)
        if not events and not reader.is_closed:
            yield ": ping\n\n"


async def _is_good(service: Service, shown: bytes | None) -> bool:
    """Tell whether a new request would still be let in; it costs a look into memory."""
    try:
        await service.authenticator.credential(shown)
    except (OlearnError, SQLAlchemyError) as error:
        logger.info("a live stream ends: %s", error)
        return False
    return True


def _block(event_id: str | None, event: LiveEvent) -> str:
    named = f"id: {event_id}\n" if event_id else ""
    return f"{named}event: {event.topic}\ndata: {event.data}\n\n"


async def _snapshot(service: Service, reader: Reader, missed: int) -> str:
    newest = service.telling.hub.newest_id
    try:
        body = await service.telling.snapshot(reader, reader.topics, missed)
    except (SQLAlchemyError, OSError):
        # Without the database there are no metrics; the rest is known all the same.
        body = await service.telling.snapshot(reader, (), missed)
    return f"id: {newest}\nevent: snapshot\ndata: {body.model_dump_json()}\n\n"
