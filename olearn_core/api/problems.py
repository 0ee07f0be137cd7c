"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from olearn_core.errors import (
    EventError,
    NotFoundError,
    NotReadyError,
    OlearnError,
    SourceError,
    StorageError,
    UnreadableEventError,
)
from olearn_core.schemas import FieldProblem, Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}

STATUS_OF: Mapping[type[OlearnError], int] = {
    UnreadableEventError: 400,
    EventError: 422,
    NotFoundError: 404,
    NotReadyError: 503,
    SourceError: 503,
    StorageError: 503,
}


def problem_response(
    status: int,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document."""
    title = HTTPStatus(status).phrase
    slug = title.lower().replace(" ", "-")
    body = Problem(
        type=f"urn:olearn:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        errors=list(errors),
    )
    text = body.model_dump_json()
    return Response(text, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Keep the status and headers (such as Allow) that Starlette chose."""
    if not isinstance(error, HTTPException):
        raise error
    return problem_response(error.status_code, error.detail, headers=error.headers)


async def on_validation_error(_: Request, error: Exception) -> Response:
    """Name every wrong field of a body at once."""
    if not isinstance(error, ValidationError):
        raise error
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found and found[0]["type"] == "json_invalid":
        return problem_response(400, f"the body is not valid JSON: {found[0]['msg']}")
    fields = [FieldProblem(pointer=_pointer(p["loc"]), detail=p["msg"]) for p in found]
    detail = "; ".join(f"{field.pointer}: {field.detail}" for field in fields)
    return problem_response(422, detail, fields)


async def on_olearn_error(_: Request, error: Exception) -> Response:
    """Answer our own errors by what they mean for a caller."""
    status = next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), 500)
    fields = []
    if isinstance(error, EventError) and error.pointer:
        fields = [FieldProblem(pointer=f"#{error.pointer}", detail=error.reason)]
    if status == 500:
        logger.error("a request failed", exc_info=error)
    return problem_response(status, str(error), fields, RETRY_AFTER if status == 503 else None)


async def on_database_error(_: Request, error: Exception) -> Response:
    """The database is away; learning waits for it as well."""
    logger.error("a request failed for want of the database", exc_info=error)
    return problem_response(503, "the database does not answer; try again", (), RETRY_AFTER)


async def on_bug(_: Request, error: Exception) -> Response:
    """Whatever else: say nothing of our insides."""
    logger.error("a request failed", exc_info=error)
    return problem_response(500, "something went wrong inside; the service's log says what")


HANDLERS = {
    HTTPException: on_http_exception,
    ValidationError: on_validation_error,
    OlearnError: on_olearn_error,
    SQLAlchemyError: on_database_error,
    Exception: on_bug,
}


def _pointer(location: tuple[int | str, ...]) -> str:
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)
