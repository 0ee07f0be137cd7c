"""What is shipped for Grafana and Prometheus names metrics that a live service tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.api.conftest import Serving
from tests.support.scrapes import lived, scraped

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/olearn.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus/olearn.rules.yml").read_text())

KEYWORDS = {"by", "without", "on", "ignoring", "or", "and", "unless", "group_left", "group_right"}
KEYWORDS |= {"bool"}


def metrics_in(expression: str) -> set[str]:
    """Return the names of metrics in a PromQL expression."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\boffset\s+\w+", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*+(?!\s*\()", bare)
    return {name for name in names if name not in KEYWORDS}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def rules() -> Iterator[dict[str, Any]]:
    for group in RULES["groups"]:
        yield from group["rules"]


def expressions() -> Iterator[str]:
    """Return all PromQL that is shipped."""
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"][1:]:
        yield re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])[1]
    yield from (rule["expr"] for rule in rules())


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_prometheus_can_read_it(expression: str) -> None:
    assert promql_parser.parse(expression.replace("$__rate_interval", "5m"))


def test_names_are_found_in_promql() -> None:
    expression = 'sum by (a, b) (rate(x_total{y=~"z_total"}[5m])) > 0.05 * q or vector(0)'
    assert metrics_in(expression) == {"x_total", "q"}
    assert metrics_in("a / on (job) b_sum and max(c) == 0") == {"a", "b_sum", "c"}
    assert metrics_in("a offset 15m unless a") == {"a"}


async def test_every_metric_that_is_named_is_told_by_a_live_service(serving: Serving) -> None:
    async with serving() as api:
        await lived(api)
        told = (await scraped(api)).names
    named = {name for expression in expressions() for name in metrics_in(expression)}
    assert len(named) > 25
    assert named - told == set()


async def test_every_label_that_is_named_is_told(serving: Serving) -> None:
    async with serving() as api:
        await lived(api)
        samples = (await scraped(api)).samples
    told = {label for _, labels in samples for label, _ in labels} | {"job", "instance"}
    grouped = [re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", e) for e in expressions()]
    named = {label.strip() for found in grouped for labels in found for label in labels.split(",")}
    named |= {label for e in expressions() for label in re.findall(r"[{,](\w+)=", e)}
    assert named - told == set()


def test_the_dashboard_can_be_provisioned_from_its_file() -> None:
    assert "__inputs" not in DASHBOARD
    assert DASHBOARD["uid"] == "olearn"
    source = DASHBOARD["templating"]["list"][0]
    assert (source["type"], source["name"]) == ("datasource", "datasource")
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"]
        assert panel["targets"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/olearn.yaml").read_text())


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_what_operators_look_for_has_a_panel() -> None:
    wanted = (
        "Update rate, Model score, Update time, Success by agent, Lag in seconds, Dead letters,"
    )
    wanted += " Dead letters, Decisions, Exploration and propensity"
    assert set(wanted.split(", ")) <= {panel["title"] for panel in panels()}


def test_the_file_is_what_the_panels_make_of_it(tmp_path: Path) -> None:
    for source in (DEPLOY / "grafana").glob("*.py"):
        (tmp_path / source.name).write_text(source.read_text())
    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True, timeout=30)
    assert json.loads((tmp_path / "olearn.json").read_text()) == DASHBOARD


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}
    assert len({rule["alert"] for rule in rules()}) == len(list(rules()))
