"""What commands print: tables for people, JSON for programs, one line for a mistake."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = "-"
WIDE = 160


def console(*, to_stderr: bool = False) -> Console:
    """Return the terminal, or what stands for it where another program reads."""
    from rich.console import Console

    terminal = Console(stderr=to_stderr, highlight=False)
    return terminal if terminal.is_terminal else Console(stderr=to_stderr, width=WIDE)


def print_json(data: Any) -> None:
    """Print for another program."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    left: int = 1,
) -> None:
    """
    Print a table.

    :param left: how many columns hold text; the others are numbers, to the right
    """
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(shown(value)) for value in row))
    console().print(table)


def shown(value: Any) -> str:
    """Return a value for a cell; nothing is a dash."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percent(share: float | None) -> str | None:
    """Return a share in per cent."""
    return None if share is None else f"{100 * share:.1f} %"


def number(value: float | None, unit: str, digits: int = 0) -> str | None:
    """Return a quantity with its unit."""
    return None if value is None else f"{value:,.{digits}f} {unit}"


def usd(value: float | None) -> str | None:
    """Return an amount of money to a thousandth of a cent."""
    return None if value is None else f"${value:.5f}"


def when(timestamp: str | None) -> str | None:
    """Return an API's time to the second, as the clock here shows it."""
    if timestamp is None:
        return None
    return f"{datetime.fromisoformat(timestamp).astimezone():%Y-%m-%d %H:%M:%S}"


def one_line(message: str) -> str:
    """Return a message of several lines as one."""
    first, *rest = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join([first, "; ".join(rest)]).strip()
