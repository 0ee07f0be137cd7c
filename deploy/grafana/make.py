"""
Writes olearn.json, the Grafana dashboard: `python deploy/grafana/make.py`.

The panels stand in panels.py; what Grafana wants besides is the same for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panels import FIGURES, ROWS, Figure, Panel

FILE = Path(__file__).with_name("olearn.json")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
FIGURE_SIZE = (4, 4)
PANEL_SIZE = (8, 8)

Drawn = dict[str, Any]


def dashboard() -> Drawn:
    """Return the dashboard as Grafana reads it, from a file or through its API."""
    return {
        "uid": "olearn",
        "title": "olearn",
        "description": "Which agent should do the next task, and how that is learned.",
        "tags": ["olearn"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": list(variables())},
        "panels": [panel | {"id": at} for at, panel in enumerate(placed(), start=1)],
    }


def variables() -> Iterator[Drawn]:
    """Return what is chosen at the top: the data source first."""
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    yield asked("job", "Job", "label_values(olearn_build_info, job)")
    yield asked("instance", "Node", 'label_values(olearn_build_info{job=~"$job"}, instance)')
    yield asked("tenant", "Tenant", 'label_values(olearn_agents{job=~"$job"}, tenant)')


def asked(name: str, label: str, query: str) -> Drawn:
    """Return a variable whose values Prometheus knows; by default all of them."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def placed() -> Iterator[Drawn]:
    """Return all panels, from left to right and from top to bottom."""
    y = 0
    yield from in_rows([figure(one) for one in FIGURES], FIGURE_SIZE, y)
    y += FIGURE_SIZE[1]
    for title, panels in ROWS.items():
        yield {"type": "row", "title": title, "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}}
        yield from in_rows([series(one) for one in panels], PANEL_SIZE, y + 1)
        y += 1 + PANEL_SIZE[1] * -(-len(panels) * PANEL_SIZE[0] // WIDTH)


def in_rows(panels: Sequence[Drawn], size: tuple[int, int], y: int) -> Iterator[Drawn]:
    """Return panels of one size with their places, as many beside each other as have room."""
    width, height = size
    for at, panel in enumerate(panels):
        row, column = divmod(at, WIDTH // width)
        place = {"x": column * width, "y": y + row * height, "w": width, "h": height}
        yield panel | {"gridPos": place}


def series(panel: Panel) -> Drawn:
    """Return a panel of lines over time."""
    defaults: Drawn = {
        "unit": panel.unit,
        "custom": {"fillOpacity": 10, "showPoints": "never", "lineWidth": 2},
    }
    if panel.most is not None:
        defaults |= {"min": 0, "max": panel.most}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return drawn("timeseries", panel.title, panel.note, panel.queries, defaults, options)


def figure(one: Figure) -> Drawn:
    """Return a big number with its trend."""
    colours = [("green", None), *zip(("yellow", "red"), one.thresholds, strict=False)]
    steps = [{"color": colour, "value": value} for colour, value in colours]
    defaults = {"unit": one.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "reduceOptions": {"calcs": ["lastNotNull"]},
    }
    return drawn("stat", one.title, one.note, {one.title: one.query}, defaults, options)


def drawn(
    kind: str,
    title: str,
    note: str,
    queries: Mapping[str, str],
    defaults: Drawn,
    options: Drawn,
) -> Drawn:
    """Return what all panels have in common."""
    targets = [
        {"refId": chr(65 + at), "expr": query, "legendFormat": legend, "datasource": SOURCE}
        for at, (legend, query) in enumerate(queries.items())
    ]
    return {
        "type": kind,
        "title": title,
        "description": note,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(dashboard(), indent=2) + "\n")
