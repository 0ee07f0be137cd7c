"""What is traced, whoever collects it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp

Attribute = str | int | float | bool


class TraceIds(NamedTuple):
    """
    Where in a trace one stands.

    :param trace_id: 32 hexadecimal digits
    :param span_id: 16 of them
    """

    trace_id: str
    span_id: str


class Span(Protocol):
    """Something that takes a while."""

    def set(self, **attributes: Attribute) -> None:
        """Say more about it."""


class Spans(Protocol):
    """Makes spans."""

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
        """Return a span that lasts as long as its block."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return an application whose requests are spans."""

    def ids(self) -> TraceIds | None:
        """Return where in a trace one stands now, None outside of any."""

    def close(self) -> None:
        """Send what is left; it may take some seconds."""


class _NoSpan:
    def set(self, **attributes: Attribute) -> None:
        """Forget it."""


class NoSpans:
    """For services that nobody traces."""

    def __init__(self) -> None:
        self._nothing = nullcontext(_NoSpan())

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
        """Return what does nothing."""
        return self._nothing

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application itself."""
        return app

    def ids(self) -> TraceIds | None:
        """Return nothing."""
        return None

    def close(self) -> None:
        """Do nothing."""
