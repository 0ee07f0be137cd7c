"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from olearn_core.api.outcome_faults import OutcomeError
from olearn_core.api.parameters import ParametersError
from olearn_core.api.problem_types import problem_type
from olearn_core.errors import (
    AuthenticationError,
    EventError,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    OlearnError,
    QuestionError,
    SourceError,
    StorageError,
    TooManyRequestsError,
    UnreadableEventError,
    WrongNodeError,
)
from olearn_core.schemas import FieldProblem, Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
DATABASE_AWAY = "the database does not answer; try again"
BUG = "something went wrong inside; the service's log says what"
METHOD_NOT_ALLOWED = 405
FILE_METHODS = "GET, HEAD"
MOST_ERRORS = 100
MOST_READ = 10_000  # to read 70,000 of them would hold everybody up for a third of a second
MOST_IN_DETAIL = 5
WRONG_KEY = "[key]"  # pydantic adds it to the path of a member whose name is wrong
CHALLENGE = 'Bearer realm="olearn"'
RETRY_AFTER = {"Retry-After": "1"}

STATUS_OF: Mapping[type[OlearnError], int] = {
    UnreadableEventError: 400,
    EventError: 422,
    QuestionError: 409,
    AuthenticationError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    TooManyRequestsError: 429,
    NotReadyError: 503,
    SourceError: 503,
    StorageError: 503,
    WrongNodeError: 421,
}


def problem_response(
    status: int,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document."""
    body = problem(status, detail, errors)
    text = body.model_dump_json(exclude_none=True)
    return Response(text, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _response(of: Problem, headers: Mapping[str, str] | None = None) -> Response:
    if of.status == 503:
        headers = RETRY_AFTER
    return problem_response(of.status, of.detail, of.errors, headers)


def problem(status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> Problem:
    """Return the members of a problem document."""
    kind = problem_type(status)
    return Problem(
        type=kind.uri, title=kind.title, status=status, detail=detail, errors=list(errors)
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Keep the status and headers that Starlette chose; it knows one route's methods only."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_allowed(request))) or FILE_METHODS
    return problem_response(error.status_code, error.detail, headers=headers)


def _allowed(request: Request) -> set[str]:
    """Return the methods of a path: of all routes that are declared just like the first it fits."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fits = (r.path for r in routes if r.matches(request.scope)[0] != Match.NONE)
    declared = next(fits, None)
    return {m for r in routes if r.path == declared for m in r.methods or ()}


async def on_validation_error(_: Request, error: Exception) -> Response:
    """Name every wrong field of a body at once."""
    if not isinstance(error, ValidationError):
        raise error
    return _response(invalid(error))


def invalid(error: ValidationError) -> Problem:
    """Return the problem of a body that is not as declared."""
    if error.error_count() > MOST_READ:
        return problem(422, f"{error.error_count()} fields are wrong: look at what is to be sent")
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found and found[0]["type"] == "json_invalid":
        return problem(400, f"the body is not valid JSON: {found[0]['msg']}")
    told = found[:MOST_ERRORS]
    fields = [FieldProblem(pointer=_pointer(p["loc"]), detail=p["msg"]) for p in told]
    detail = "; ".join(f"{f.pointer}: {f.detail}" for f in fields[:MOST_IN_DETAIL])
    more = len(found) - MOST_IN_DETAIL
    return problem(422, f"{detail}; and {more} more" if more > 0 else detail, fields)


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error is for whoever sent a part of a request."""
    if isinstance(error, HTTPException):
        return problem(error.status_code, error.detail)
    if isinstance(error, ValidationError):
        return invalid(error)
    if isinstance(error, OlearnError):
        return explained(error)
    logger.error("a request failed", exc_info=error)
    if isinstance(error, SQLAlchemyError):
        return problem(503, DATABASE_AWAY)
    return problem(500, BUG)


async def on_olearn_error(_: Request, error: Exception) -> Response:
    """Answer our own errors by what they mean for a caller."""
    if not isinstance(error, OlearnError):
        raise error
    return _response(explained(error), _headers(error))


def explained(error: OlearnError) -> Problem:
    """Return the problem that one of our own errors is for a caller; log those that are ours."""
    if isinstance(error, ParametersError):
        return problem(404 if error.place == "path" else 422, str(error), error.errors)
    status = next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), 500)
    if status == 500:
        logger.error("a request failed", exc_info=error)
    return problem(status, str(error), _fields(error))


def _fields(error: OlearnError) -> Sequence[FieldProblem]:
    if isinstance(error, OutcomeError):
        return error.errors
    if not isinstance(error, EventError | QuestionError | ForbiddenError) or not error.pointer:
        return ()
    detail = str(error) if isinstance(error, ForbiddenError) else error.reason
    return [FieldProblem(pointer=f"#{error.pointer}", detail=detail)]


def _headers(error: OlearnError) -> Mapping[str, str] | None:
    """Return what tells a client how to do better (RFC 6750 for credentials)."""
    if isinstance(error, AuthenticationError):
        wrong = ', error="invalid_token"' if error.is_wrong else ""
        return {"WWW-Authenticate": CHALLENGE + wrong}
    if isinstance(error, ForbiddenError) and error.scope:
        lacking = f', error="insufficient_scope", scope="{error.scope}"'
        return {"WWW-Authenticate": CHALLENGE + lacking}
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_seconds)}
    return None


async def on_database_error(_: Request, error: Exception) -> Response:
    """The database is away; learning waits for it as well."""
    logger.error("a request failed for want of the database", exc_info=error)
    return problem_response(503, DATABASE_AWAY, (), RETRY_AFTER)


async def on_disconnect(_: Request, __: Exception) -> Response:
    """Whoever goes away before the body has come reads no answer, and fills no log."""
    return problem_response(400, "the connection ended before the body did")


async def on_bug(_: Request, error: Exception) -> Response:
    """Whatever else: say nothing of our insides."""
    logger.error("a request failed", exc_info=error)
    return problem_response(500, BUG)


HANDLERS = {
    HTTPException: on_http_exception,
    ValidationError: on_validation_error,
    OlearnError: on_olearn_error,
    SQLAlchemyError: on_database_error,
    ClientDisconnect: on_disconnect,
    Exception: on_bug,
}


def _pointer(location: tuple[int | str, ...]) -> str:
    parts = (str(part) for part in location if part != WRONG_KEY)
    return "".join(["#", *(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)])
