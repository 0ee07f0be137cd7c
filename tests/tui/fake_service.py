"""A service over HTTP that answers as the schemas say, or as badly as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from olearn_core import schemas
from tests.tui import figures

ROOT = "/api/learning"
Fault = Callable[[Request], Response | None]


class FakeService:
    """
    Runs in this event loop.

    :ivar key: the only key that is accepted, None for any
    :ivar fault: answers instead, where it answers at all
    :ivar asked: method and path of every request
    :ivar posted: path and body of every POST
    :ivar streams: whether there is a live stream
    """

    def __init__(self, clock: Callable[[], float], port: int = 0) -> None:
        self.clock = clock
        self.key: str | None = None
        self.fault: Fault = lambda _: None
        self.asked: list[str] = []
        self.posted: list[tuple[str, Any]] = []
        self.last_ids: list[str | None] = []
        self.streams = False
        self.held = asyncio.Event()
        self.held.set()
        self.agents = len(figures.NAMES)
        self._events: asyncio.Queue[str | None] = asyncio.Queue()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = Starlette(
            routes=[Route(ROOT + "/{path:path}", self._answer, methods=["GET", "POST"])]
        )
        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None
        self._server.capture_signals = contextlib.nullcontext
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.held.set()
        self._events.put_nowait(None)
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        self._socket.close()

    def send(self, name: str, data: BaseModel | str, event_id: str = "") -> None:
        """Send an event on the live stream."""
        text = data if isinstance(data, str) else data.model_dump_json()
        identity = f"id: {event_id}\n" if event_id else ""
        self._events.put_nowait(f"event: {name}\n{identity}data: {text}\n\n")

    def end_stream(self) -> None:
        """Break the live stream off."""
        self._events.put_nowait(None)

    async def _answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        self.asked.append(f"{request.method} /{path}")
        await self.held.wait()
        bad = self.fault(request)
        if bad is not None:
            return bad
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "no key, or one that is not known")
        if path == "stream":
            return self._stream(request)
        body = json.loads(await request.body() or b"{}") if request.method == "POST" else None
        if body is not None:
            self.posted.append((f"/{path}", body))
        answer = self._said(path, body)
        if answer is None:
            return problem(404, f"there is no /{path}")
        return Response(answer.model_dump_json(), media_type="application/json")

    def _stream(self, request: Request) -> Response:
        if not self.streams:
            return problem(404, "there is no stream")
        self.last_ids.append(request.headers.get("last-event-id"))

        async def lines() -> AsyncIterator[str]:
            yield ": hello\n\n"
            while (event := await self._events.get()) is not None:
                yield event

        return StreamingResponse(lines(), media_type="text/event-stream")

    def _said(self, path: str, body: Any) -> BaseModel | None:
        now = self.clock()
        match path.split("/"):
            case ["metrics"]:
                return figures.metrics(now)
            case ["status"]:
                return figures.status(now)
            case ["agents"]:
                return figures.agents(now, self.agents)
            case ["agents", name] if name in figures.NAMES:
                return figures.agent(name, now)
            case ["alerts"]:
                return figures.alerts(now)
            case ["models"]:
                return figures.models(now)
            case ["models", "save"]:
                return schemas.SaveResponse(message="saved 5 models", versions={"success": 8})
            case ["models", model_type, "versions"]:
                return figures.versions(model_type, now)
            case ["models", model_type, "validation"]:
                return figures.validation(model_type, now)
            case ["models", model_type, "rollback"]:
                return schemas.RollbackResponse(
                    rollback_id=4, model_types=[model_type], tenants=["default"], changes=[],
                    version_before=8, version_after=9,
                )  # fmt: skip
            case ["dead-letters"]:
                return figures.dead_letters(now)
            case ["dead-letters", number]:
                kept = dict(figures.letter(int(number), now))
                text = '{"agent_name": "coder", "quality_score": 7}'
                return schemas.DeadLetterResponse(
                    **kept, payload_text=text, lossy=False, payload_base64=""
                )
            case ["dead-letters", number, "retry"]:
                return schemas.RetryResponse(
                    id=int(number), event_id="e-1", offset=90_001, retried_at=figures.rfc3339(now)
                )
            case ["plugins"]:
                return figures.plugins()
            case ["configuration"]:
                return figures.configuration()
            case ["workers"]:
                return figures.workers(now)
            case ["predict", model_type]:
                return figures.estimates(model_type, body["task_type"], now)
            case ["decisions"]:
                return figures.decision(schemas.DecisionRequest.model_validate(body), now)
        return None


def problem(status: int, detail: str) -> Response:
    """Return an error as the service says it."""
    body = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
