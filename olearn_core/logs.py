"""
Log lines, as text or as JSON, with the request that they belong to.

Secrets never stand in a line, whatever was logged: keys, tokens and passwords
are struck out of the finished text.
"""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from olearn_core.times import now_rfc3339

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NAMES = r"\w*(?:password|secret|api_key)"
_QUOTE = r"['\"]"
_SECRETS = (
    (re.compile(r"\bolk_\w+"), "olk_***"),
    (re.compile(r"\bey[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), "***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 ***"),
    (re.compile(r"(://[^:/@\s]*):[^@/\s]+@"), r"\1:***@"),
    (
        re.compile(r"""(?i)\b(\w*(?:password|secret|api_key))(['"]?\s*[=:]\s*['"]?)[^\s'"&,;}]+"""),
        r"\1\2***",
    ),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True)
class RequestIds:
    """
    What ties lines, spans and answers of one request together.

    :param trace_id: 32 hexadecimal digits, None where the caller traces nothing
    """

    request_id: str
    trace_id: str | None = None
    span_id: str | None = None


current_request: ContextVar[RequestIds | None] = ContextVar("current_request", default=None)


def redacted(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class TextFormatter(logging.Formatter):
    """A line for people."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return a single line: what is logged, a path perhaps, must not look like another."""
        return _CONTROL.sub(_escaped, redacted(super().formatMessage(record)))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the request's id where there is one."""
        line = super().format(record)
        ids = current_request.get()
        return redacted(f"{line} [{ids.request_id}]" if ids else line)


class JsonFormatter(logging.Formatter):
    """A line of JSON for programs: time, level, logger, message, ids, and what was given extra."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = {
            "ts": now_rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if ids := current_request.get():
            named = {"request_id": ids.request_id, "trace_id": ids.trace_id, "span_id": ids.span_id}
            fields |= {name: value for name, value in named.items() if value}
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: _plain(value) for name, value in fields.items()}, default=str)


def _plain(value: Any) -> Any:
    """Return a value without secrets; numbers stay numbers."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value))
