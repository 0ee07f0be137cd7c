"""An operation of the API: declared once, so that routing and checking cannot differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from olearn_core.events import DEFAULT
from olearn_core.service import Service

JSON = "application/json"
BODY_TYPES = (JSON, "application/cloudevents+json")


@dataclass(slots=True)
class Call:
    """
    One request, checked.

    :param body: the parsed body where the operation declares one, else its bytes
    :param tenant: whose agents and outcomes this is about
    """

    service: Service
    request: Request
    body: Any = b""
    tenant: str = DEFAULT


# A dictionary has the members of the model that the operation gives; it is the
# quick way for answers that are given many times a second.
Answered = BaseModel | Sequence[BaseModel] | dict[str, Any]
Handler = Callable[[Call], Awaitable[Answered]]


@dataclass(frozen=True, slots=True)
class Operation:
    """
    A method on a path.

    :param takes: model of the body, `bytes` for a raw one, None for none
    :param gives: model of the answer
    """

    method: str
    path: str
    handler: Handler
    gives: Any
    takes: type[BaseModel | bytes] | None = None
    status: int = 200

    def route(self, service: Service) -> Route:
        """Return the route that serves this operation."""
        limit = service.settings.api.max_body_bytes
        takes, handler, status = self.takes, self.handler, self.status

        async def endpoint(request: Request) -> Response:
            body: Any = b""
            if takes is not None:
                body = await read_body(request, limit)
                if issubclass(takes, BaseModel):
                    body = takes.model_validate_json(body or b"{}")
            answer = await handler(Call(service, request, body))
            return Response(_encoded(answer), status, media_type=JSON)

        name = f"{self.method} {self.path}"
        return Route(self.path, endpoint, methods=[self.method], name=name)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """
    Return the body.

    :raises HTTPException: 413 beyond the limit, 415 where it is not JSON
    """
    headers = request.headers
    content_type = headers.get("content-type", "")
    length = headers.get("content-length", "")
    if content_type != JSON and (content_type or length not in ("", "0")):
        _refuse_foreign(content_type)
    if length.isdecimal():
        _refuse_beyond(int(length), limit_bytes)
        return await request.body()
    body = b""
    async for chunk in request.stream():
        body += chunk
        _refuse_beyond(len(body), limit_bytes)
    return body


def _refuse_foreign(content_type: str) -> None:
    """A browser asks before it sends JSON to a foreign page; other types it just sends."""
    if content_type.partition(";")[0].strip().lower() not in BODY_TYPES:
        raise HTTPException(415, f"the body must be {JSON}, not {content_type or 'untyped'}")


def _refuse_beyond(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise HTTPException(413, f"the body has more than {limit_bytes} bytes")


def _encoded(answer: Answered) -> str | bytes:
    if isinstance(answer, BaseModel):
        return answer.model_dump_json()
    if isinstance(answer, dict):
        return msgspec.json.encode(answer)
    return "[" + ",".join(item.model_dump_json() for item in answer) + "]"
