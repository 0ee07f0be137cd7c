"""Commands that ask a running service."""

from __future__ import annotations

import asyncio

import pytest

from olearn_core.client import OlearnClient

OUTCOMES = [
    {"event_id": "1", "agent_name": "a", "task_type": "x", "status": "success", "latency_ms": 10},
    {"event_id": "2", "agent_name": "a", "task_type": "y", "status": "failure", "cost_usd": 0.5},
    {"event_id": "3", "agent_name": "b", "task_type": "x", "status": "success"},
]


@pytest.fixture(autouse=True)
def url(service, monkeypatch, call, learned):
    """The service's URL, which commands find in the environment; it has learned the outcomes."""

    async def report():
        async with OlearnClient(service.url) as client:
            for outcome in OUTCOMES:
                await client.report(outcome)

    asyncio.run(report())
    learned(service.url, len(OUTCOMES))
    monkeypatch.setenv("OLEARN_URL", service.url)
    return service.url


def test_agents_one_row_each(call, call_json):
    rows = {row["agent_name"]: row for row in call_json("agents", "list")}
    assert rows["a"]["total_executions"] == 2
    assert rows["a"]["success_rate"] == 0.5
    assert rows["a"]["sums"]["cost"] == 500_000
    assert "50.0 %" in call("agents", "list").stdout


def test_agents_by_task_type_with_their_raw_sums(call, call_json):
    rows = call_json("agents", "list", "--by", "task_type")
    executions = {(r["agent_name"], r["task_type"]): r["sums"]["executions"] for r in rows}
    assert executions == {("a", "x"): 1, ("a", "y"): 1, ("b", "x"): 1}
    assert all(isinstance(value, int) for row in rows for value in row["sums"].values())
    assert "task type" in call("agents", "list", "--by", "task_type").stdout


def test_an_agent_is_retired_and_reinstated(call, call_json):
    done = call_json("agents", "retire", "a", "--reason", "too slow")
    assert (done["retired"], done["reason"]) == (True, "too slow")
    assert "a is retired since" in call("agents", "retire", "a").stdout
    for by in ("agent", "task_type"):
        assert "a (retired)" in call("agents", "list", "--by", by).stdout
    assert call_json("agents", "reinstate", "a")["retired"] is False
    assert "a may be chosen" in call("agents", "reinstate", "a").stdout
    assert "(retired)" not in call("agents", "list").stdout
    assert call("agents", "retire", "nobody").exit_code == 1


def test_models_list(call, call_json):
    models = {model["model_type"]: model for model in call_json("models", "list")}
    assert models["agent_selection"]["kind"] == "policy"
    assert models["success_prediction"]["performance_summary"]["task_patterns"] == 3
    assert "agent_selection" in call("models", "list").stdout


def test_models_save_and_show(call, call_json):
    number = call_json("models", "save")["versions"]["success_prediction"]
    shown = call_json("models", "show", "success_prediction")
    assert shown["active_version"] == number
    assert shown["versions"][0]["version_number"] == number
    assert "success_prediction" in call("models", "save").stdout
    text = call("models", "show", "success_prediction").stdout
    assert "strategy" in text
    assert "deprecated" in text


def test_a_versions_parent_is_named_by_its_number(call, call_json):
    call_json("models", "save")
    number = call_json("models", "save")["versions"]["success_prediction"]
    lines = call("models", "show", "success_prediction").stdout.splitlines()
    cells = next(line.split() for line in lines if line.split()[:2] == [str(number), "active"])
    assert cells[-2] == str(number - 1)


def test_a_model_that_is_not_there(call):
    result = call("models", "show", "no such")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "no such" in result.stderr


def test_an_unknown_grouping_is_a_usage_mistake(call):
    assert call("agents", "list", "--by", "colour").exit_code == 2


@pytest.mark.parametrize(
    "command", [["agents", "list"], ["models", "list"], ["models", "save"], ["doctor"]]
)
def test_where_no_service_answers_one_line_says_what_to_do(call, nobody, command):
    result = call(*command, "--url", nobody)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert nobody in result.stderr
    assert "olearn serve" in result.stderr
