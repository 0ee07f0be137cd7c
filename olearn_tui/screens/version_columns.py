"""The columns of a model's versions: who descends from whom, metrics side by side."""

from __future__ import annotations

from collections.abc import Sequence

from olearn_tui import formats
from olearn_tui.screens.lineage import Descended
from olearn_tui.widgets.column import Cell, Column, words


def version_columns() -> Sequence[Column[Descended]]:
    """Return the columns."""
    return (
        Column("version", 9, lambda r: r.version.version_number, _number, left=True),
        Column("status", 10, lambda r: r.version.status, _status, left=True),
        Column("saved", 14, lambda r: r.version.created_at, _saved, rank=1),
        Column("samples", 9, lambda r: r.version.training_samples, _samples, rank=3),
        Column("from", 5, lambda r: r.parent, _parent, rank=4),
        words("metrics", 28, metrics, grows=True, rank=2),
        Column("sha256", 12, _sha, _sha, left=True, rank=4),
    )


def metrics(row: Descended) -> str:
    """Return the numbers among a version's metrics."""
    numbers = {k: v for k, v in row.version.metrics.items() if isinstance(v, int | float)}
    return "  ".join(f"{name} {_short(value)}" for name, value in numbers.items())


def _short(value: float) -> str:
    return (
        f"{value:.3f}" if isinstance(value, float) and abs(value) < 10 else formats.compact(value)
    )


def _number(row: Descended) -> Cell:
    text = f"{row.branches}{row.version.version_number}"
    return (text, "accent") if row.version.status == "active" else text


def _status(row: Descended) -> Cell:
    return row.version.status, "good" if row.version.status == "active" else "muted"


def _saved(row: Descended) -> str:
    return formats.date_and_clock(row.version.created_at)


def _samples(row: Descended) -> str:
    return formats.count(row.version.training_samples)


def _parent(row: Descended) -> str:
    return formats.count(row.parent)


def _sha(row: Descended) -> str:
    return row.version.sha256[:12]
