"""An operation of the API: declared once, so that routing and checking cannot differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from olearn_core.api.access import authorize, caller_of
from olearn_core.api.batch import Batch
from olearn_core.api.limits.lanes import lane_of
from olearn_core.api.parameters import headers_of, path_of, query_of
from olearn_core.api.tenants import must_be_known
from olearn_core.auth import ANYBODY, Credential, Scope
from olearn_core.errors import WrongNodeError
from olearn_core.events import DEFAULT
from olearn_core.schemas import Parameters
from olearn_core.service import Service

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
BODY_TYPES = (JSON, "application/cloudevents+json", "application/cloudevents-batch+json")


@dataclass(slots=True)
class Call:
    """
    One request, checked.

    :param body: the parsed body where the operation declares one, else its bytes
    :param tenant: whose agents and outcomes this is about
    :param confined_to: the tenant whose things alone may be shown and changed, None where
        an operator speaks of all
    :ivar names: what stands in the path, where the operation declares it
    :ivar query: the query's parameters, where the operation declares them
    :ivar headers: the headers that the operation declares
    :ivar etag: the state that the answer tells of, to be shown as `If-Match`
    """

    service: Service
    request: Request
    body: Any = b""
    tenant: str = DEFAULT
    credential: Credential = ANYBODY
    confined_to: str | None = None
    names: Any = None
    query: Any = None
    headers: Any = None
    etag: str | None = None


# A dictionary has the members of the model that the operation gives; it is the
# quick way for answers that are given many times a second. A response is sent as it is.
Encodable = BaseModel | Sequence[BaseModel] | dict[str, Any]
Answered = Encodable | Response
Handler = Callable[[Call], Awaitable[Answered]]


@dataclass(frozen=True, slots=True)
class Operation:
    """
    A method on a path.

    :param gives: model of the answer
    :param takes: model of the body, `bytes` for a raw one, a batch of either, None for none
    :param names: model of what stands in the path's braces
    :param query: model of the query's parameters; without one they are not looked at
    :param headers: model of the headers that are read, by their names as aliases
    :param problems: statuses of problems beyond those that its parameters and body make
    :param also: other statuses that come with the same members as the one of success
    :param etag: whether the answer tells a state as `ETag`, or is given one as `If-Match`
    :param media_type: of the answer
    :param scope: what the caller's credential must allow, None where everybody may ask
    :param operator: whether only an operator may
    """

    method: str
    path: str
    handler: Handler
    gives: Any
    takes: type[BaseModel | bytes] | Batch | None = None
    status: int = 200
    names: type[Parameters] | None = None
    query: type[BaseModel] | None = None
    headers: type[Parameters] | None = None
    problems: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
    etag: bool = False
    media_type: str = field(default=JSON, kw_only=True)
    scope: Scope | None = field(default="admin", kw_only=True)
    operator: bool = field(default=False, kw_only=True)

    @property
    def id(self) -> str:
        """Its name in the OpenAPI document: that of its handler."""
        return self.handler.__name__

    @property
    def is_of_known_tenants(self) -> bool:
        """Whether it shows or changes what a tenant has; others may be its first sign of life."""
        return self.scope in ("read", "admin") and not self.operator

    def route(self, service: Service) -> Route:
        """Return the route that serves this operation."""
        limit = service.settings.api.max_body_bytes
        takes, handler, status = self.takes, self.handler, self.status
        if self.method != "GET" and not service.answers:
            takes, handler = None, _misdirected

        async def endpoint(request: Request) -> Response:
            call = self._called(service, request)
            if self.is_of_known_tenants and call.credential.is_operator and call.confined_to:
                await must_be_known(service, call.confined_to)
            if takes is not None:
                with lane_of(request).awaiting(call.credential.id):
                    call.body = await read_body(request, limit)
                if isinstance(takes, Batch):
                    call.body = takes.items_of(call.body)
                elif issubclass(takes, BaseModel):
                    call.body = takes.model_validate_json(call.body or b"{}")
            answer = await handler(call)
            if isinstance(answer, Response):
                return answer
            headers = {"ETag": call.etag, "Cache-Control": "no-cache"} if call.etag else None
            return Response(_encoded(answer), status, headers, JSON)

        name = f"{self.method} {self.path}"
        return Route(self.path, endpoint, methods=[self.method], name=name)

    def _called(self, service: Service, request: Request) -> Call:
        call = self._admitted(service, request)
        if self.names is not None:
            call.names = path_of(self.names, request)
        if self.query is not None:
            call.query = query_of(self.query, request)
        if self.headers is not None:
            call.headers = headers_of(self.headers, request)
        return call

    def _admitted(self, service: Service, request: Request) -> Call:
        if self.scope is None:
            return Call(service, request)
        caller = caller_of(request)
        authorize(caller, self.scope, operator=self.operator)
        return Call(service, request, b"", caller.tenant, caller.credential, caller.confined_to)


async def _misdirected(_: Call) -> Answered:
    raise WrongNodeError


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


def versioned(request: Request, content: str | bytes, etag: str) -> Response:
    """Return what has a version; 304 and nothing else where the client has that already."""
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = (tag.strip() for tag in request.headers.get("if-none-match", "").split(","))
    if etag in known or f"W/{etag}" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=JSON)


def _encoded(answer: Encodable) -> str | bytes:
    if isinstance(answer, BaseModel):
        return answer.model_dump_json()
    if isinstance(answer, dict):
        return msgspec.json.encode(answer)
    return "[" + ",".join(item.model_dump_json() for item in answer) + "]"
