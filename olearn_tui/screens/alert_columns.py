"""The columns of alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from olearn_core.schemas import AlertBody, Severity
from olearn_tui import formats
from olearn_tui.widgets.column import Cell, Column, Tone

TONES: dict[str, Tone] = {"info": "accent", "warning": "warn", "critical": "bad"}


def alert_columns(clock: Callable[[], float]) -> Sequence[Column[AlertBody]]:
    """Return the columns; `clock` tells how long an alert has been firing."""

    def age(alert: AlertBody) -> str:
        since = formats.moment_of(alert.since)
        return formats.NOTHING if since is None else formats.span(clock() - since.timestamp())

    return (
        Column("", 1, _severity, _mark),
        Column("since", 5, lambda a: a.since, age),
        Column("alert", 12, _said, _said, left=True, grows=True),
    )


def _severity(alert: AlertBody) -> int:
    return get_args(Severity).index(alert.severity)


def _mark(alert: AlertBody) -> Cell:
    return "●", TONES[alert.severity]


def _said(alert: AlertBody) -> str:
    about = " ".join(alert.subject)
    return formats.printable(f"{alert.kind} {about}: {alert.message}")
