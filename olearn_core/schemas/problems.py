"""Errors (RFC 9457)."""

from __future__ import annotations

from pydantic import Field

from olearn_core.schemas.bodies import Answer


class FieldProblem(Answer):
    """
    One wrong part of a request.

    `pointer` leads to it in the body (a JSON Pointer); `parameter` names it in
    path, query or headers. One of both is given.
    """

    pointer: str | None = None
    parameter: str | None = None
    detail: str


class Problem(Answer):
    """An error (RFC 9457); `type` leads to what it means and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = Field(default=[])
