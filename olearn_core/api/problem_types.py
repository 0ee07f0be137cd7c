"""The kinds of problems that the API answers with, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

PROBLEMS_PAGE = "/docs/problems"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """
    What an error status means here.

    :param means: what happened, a sentence
    :param remedy: what the caller does next, a sentence
    """

    status: int
    title: str
    means: str
    remedy: str

    @property
    def slug(self) -> str:
        """The name of its paragraph on the page of problems."""
        return self.title.lower().replace(" ", "-")

    @property
    def uri(self) -> str:
        """What a problem document gives as its type, relative to the service."""
        return f"{PROBLEMS_PAGE}#{self.slug}"


_TYPES = (
    ProblemType(
        400,
        "Bad Request",
        "The body is not JSON.",
        "Mend what the detail names: the byte at which reading ended, or the first bad character.",
    ),
    ProblemType(
        401,
        "Unauthorized",
        "No valid credential came with the request.",
        "Send an API key or a JWT as `Authorization: Bearer …`; `WWW-Authenticate` says more.",
    ),
    ProblemType(
        403,
        "Forbidden",
        "The credential is valid, but not for this; or a foreign web page sent the request.",
        "Use one that has the scope which the detail names; pages need a service with"
        " authentication.",
    ),
    ProblemType(
        404,
        "Not Found",
        "There is nothing at this path, or not any more, or not for this tenant.",
        "Look at the name; the detail says what there is instead, where that is known.",
    ),
    ProblemType(
        405,
        "Method Not Allowed",
        "The path exists, the method does not.",
        "Use one of those in `Allow`.",
    ),
    ProblemType(
        409,
        "Conflict",
        "The request is sound but cannot be carried out as things stand.",
        "Read the detail: it says what is in the way, and what would go.",
    ),
    ProblemType(
        412,
        "Precondition Failed",
        "The resource is not as it was when its `ETag` was read.",
        "Read it again, decide again, and send the new `ETag` as `If-Match`.",
    ),
    ProblemType(
        413,
        "Content Too Large",
        "The body is larger than `[api] max_body_bytes`.",
        "Send less at once, in more requests.",
    ),
    ProblemType(
        415,
        "Unsupported Media Type",
        "The body is not labelled as JSON.",
        "Send `Content-Type: application/json`.",
    ),
    ProblemType(
        421,
        "Misdirected Request",
        "This node only learns, or does not answer to the name in `Host`.",
        "Ask a node with the role `all` or `api`; or name the host in `[api] allowed_hosts`.",
    ),
    ProblemType(
        422,
        "Unprocessable Content",
        "The request can be read, but parts of it are wrong.",
        "Mend each entry of `errors`: `pointer` leads to a part of the body, `parameter` names"
        " one of path, query or headers.",
    ),
    ProblemType(
        429,
        "Too Many Requests",
        "More came from one credential, or one address, than it may send.",
        "Wait as many seconds as `Retry-After` says.",
    ),
    ProblemType(
        500,
        "Internal Server Error",
        "Something went wrong inside; nothing of it is told.",
        "Look into the service's log, and report it.",
    ),
    ProblemType(
        503,
        "Service Unavailable",
        "The database, the log or a model is not there yet, or too much came at once.",
        "Wait as many seconds as `Retry-After` says, then send the same again: an outcome with an"
        " `event_id` counts once.",
    ),
)

PROBLEM_TYPES: Mapping[int, ProblemType] = {kind.status: kind for kind in _TYPES}


def problem_type(status: int) -> ProblemType:
    """Return what a status means; one that nothing here gives has only its usual name."""
    known = PROBLEM_TYPES.get(status)
    return known or ProblemType(status, HTTPStatus(status).phrase, "", "")
