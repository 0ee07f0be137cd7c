"""How a dashboard shows what a model estimates: declared as data, drawn by whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["percent", "duration_ms", "usd", "number"]
Better = Literal["higher", "lower"]

FORMAT_OF_UNIT: dict[str, Format] = {"share": "percent", "ms": "duration_ms", "USD": "usd"}


@dataclass(frozen=True, slots=True)
class Panel:
    """
    One panel: agents with the mean and interval of a predictor's estimates.

    :param title: what stands above it
    :param format: how its numbers are written; "number" is followed by the predictor's unit
    :param better: which end of the scale is good, None where neither is
    """

    title: str
    format: Format = "number"
    better: Better | None = None


def default_panel(name: str, unit: str, component: str | None) -> Panel:
    """Return the panel of a predictor that declares none."""
    better: Better | None = None
    if component is not None:
        better = "higher" if component in ("success", "quality") else "lower"
    title = name.removesuffix("_prediction").replace("_", " ").capitalize()
    return Panel(title, FORMAT_OF_UNIT.get(unit, "number"), better)
