"""`olearn evaluate FILE`: policies are played on recorded tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import recorded

KEYS = {
    *("tasks", "agents", "decisions", "seeds"),
    *("random", "best_single", "per_type_best_cv", "best_single_agent", "policies"),
}
DEFAULT_POLICIES = ["agent_selection", "random", "ts_global", "ts_per_type", "lin_ts", "classic"]
QUICK = ("--seeds", 1, "--policy", "random")


@pytest.fixture(params=["tasks.jsonl", "tasks.jsonl.gz"])
def file(request, tmp_path: Path) -> Path:
    return recorded.write(tmp_path / request.param)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return recorded.write(tmp_path / "tasks.jsonl")


@pytest.fixture
def pools(tmp_path: Path) -> Path:
    path = tmp_path / "pools.json"
    path.write_text(json.dumps({"two": ["ada", "cleo"], "none": [], "strange": ["zoe"]}))
    return path


def refused(result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    for word in words:
        assert word in " ".join(result.stderr.replace("│", " ").split())
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_everybody_plays_by_default(call_json, file: Path) -> None:
    found = call_json("evaluate", file, "--seeds", 1)
    assert set(found) == KEYS
    assert (found["tasks"], found["agents"], found["seeds"]) == (40, 3, 1)
    assert list(found["policies"]) == DEFAULT_POLICIES
    for figures in found["policies"].values():
        assert {"mean", "sd", "last_quarter", "normalised"} <= set(figures)


def test_people_get_a_table(call, plain: Path) -> None:
    result = call("evaluate", plain, "--seeds", 1, "--kill", "ada@20", "--policy", "random")
    assert result.exit_code == 0, result.output
    assert "40 tasks, 3 agents, 40 decisions, 1 seeds" in result.stdout
    assert "last quarter" in result.stdout
    assert "kill ada@20" in result.stdout


def test_the_same_command_prints_the_same(call, plain: Path) -> None:
    command = ("evaluate", plain, "--seeds", 1, "--policy", "agent_selection", "--json")
    assert call(*command).stdout == call(*command).stdout


def test_several_files_are_played_in_their_order(call_json, tmp_path: Path) -> None:
    def written(name: str, success: int) -> Path:
        tasks = [
            {"task_id": str(number), "task_type": "mail", "outcomes": {"ada": {"success": success}}}
            for number in range(8)
        ]
        return recorded.write(tmp_path / name, tasks)

    found = call_json("evaluate", written("b.jsonl", 0), written("a.jsonl", 1), *QUICK)
    assert found["tasks"] == 16
    assert found["policies"]["random"]["mean"] == 0.5
    assert found["policies"]["random"]["last_quarter"] == 1.0


@pytest.mark.parametrize("choice", [("--agents", "ada, cleo"), ("--pool", "two")])
def test_agents_are_named_or_taken_from_a_pool(call_json, plain, pools, choice) -> None:
    where = ("--pools", pools) if choice[0] == "--pool" else ()
    assert call_json("evaluate", plain, *choice, *where, *QUICK)["agents"] == 2


@pytest.mark.parametrize(
    ("reward", "expected"), [("success", 1.0), ("quality", 0.3), ("utility", 0.6 / 0.8)]
)
def test_the_reward_is_taken(call_json, tmp_path: Path, reward: str, expected: float) -> None:
    outcome = {"success": 1, "quality": 0.3, "latency_ms": 20}  # no cost; the slowest of all
    task = {"task_id": "1", "task_type": "mail", "outcomes": {"ada": outcome}}
    file = recorded.write(tmp_path / "one.jsonl", [task])
    found = call_json("evaluate", file, "--reward", reward, *QUICK)
    assert found["policies"]["random"]["mean"] == pytest.approx(expected)


def test_passes_batch_and_span_are_taken(call_json, plain: Path) -> None:
    options = ("--passes", 3, "--batch", 1, "--span", "36h")
    assert call_json("evaluate", plain, *options, *QUICK)["decisions"] == 120


def test_the_world_changes(call_json, plain: Path) -> None:
    options = ("--swap", "ada,bob@10", "--join", "cleo@20", "--kill", "bob@30")
    found = call_json("evaluate", plain, *options, *QUICK)
    assert set(found) == KEYS | {"changes"}
    assert [(change["after"], change["decision"]) for change in found["changes"]] == [
        ("start", 0),
        ("swap ada,bob@10", 10),
        ("join cleo@20", 20),
        ("kill bob@30", 30),
    ]
    assert set(found["changes"][0]["decisions_until_80_percent"]) == {"random"}


def test_configuration_counts(call_json, plain: Path, tmp_path: Path) -> None:
    config = tmp_path / "chance.toml"
    config.write_text("[decisions]\nexploration_floor = 1.0\n")
    command = ("evaluate", plain, "--seeds", 1, "--policy", "agent_selection", "--passes", 5)
    assert call_json(*command) != call_json(*command, "--config", config)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--swap", "ada@3"), "--swap: it looks like A,B@N, not 'ada@3'"),
        (("--swap", "ada,bob"), "--swap: it looks like A,B@N"),
        (("--kill", "ada"), "--kill: it looks like A@N"),
        (("--join", "ada@-1"), "--join: it looks like A@N"),
        (("--span", "week"), "it looks like 7d"),
        (("--span", "0d"), "it looks like 7d"),
        (("--seeds", "0"), "--seeds"),
        (("--reward", "fame"), "--reward"),
        (("--agents", " , "), "--agents names no agent"),
        (("--pool", "two"), "--pool NAME goes with --pools FILE"),
    ],
)
def test_a_malformed_option_is_refused(call, plain: Path, options, words: str) -> None:
    refused(call("evaluate", plain, *options), 2, words)


@pytest.mark.parametrize(
    "option",
    [("--days", 3), ("--tenant", "acme"), ("--least-effective", 50), ("--decisions", __file__)],
)
def test_what_is_for_the_log_does_not_go_with_a_file(call, plain: Path, option) -> None:
    refused(call("evaluate", plain, *option), 2, f"{option[0]} is for the service's log")


@pytest.mark.parametrize(
    "option",
    [
        *(("--agents", "ada"), ("--pool", "two"), ("--pools", __file__), ("--preset", "thrifty")),
        *(("--passes", 2), ("--seeds", 2), ("--batch", 2), ("--span", "1d")),
        *(("--swap", "a,b@1"), ("--join", "a@1"), ("--kill", "a@1")),
    ],
)
def test_what_is_for_files_does_not_go_without_one(call, option) -> None:
    refused(call("evaluate", *option), 2, f"{option[0]} is for FILE")


def test_agents_and_a_pool_exclude_each_other(call, plain: Path, pools: Path) -> None:
    options = ("--agents", "ada", "--pool", "two", "--pools", pools)
    refused(call("evaluate", plain, *options), 2, "exclude each other")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--agents", "ada,zoe"), "no task has an outcome of 'zoe'"),
        (("--kill", "zoe@3"), "'zoe' is not in the pool"),
        (("--kill", "ada@40"), "kill ada@40: the last decision is 39"),
        (("--passes", 2, "--join", "ada@80"), "join ada@80: the last decision is 79"),
        (("--swap", "ada,zoe@3"), "'zoe' is not in the pool"),
        (("--policy", "best"), "there is no policy 'best', but agent_selection"),
        (("--agents", "cleo", "--reward", "quality"), "no outcome has a quality"),
    ],
)
def test_what_does_not_fit_the_data_is_told_in_one_line(call, plain, options, words) -> None:
    refused(call("evaluate", plain, "--seeds", 1, *options), 1, words)


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "names no agent"), ("strange", "'zoe'"), ("three", "has no pool 'three', but")],
)
def test_a_pool_without_agents_is_told_in_one_line(call, plain, pools, name, words) -> None:
    refused(call("evaluate", plain, "--pools", pools, "--pool", name), 1, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{}\n", "line 1"),
        ('{"agent_name": "a", "status": "success"}\n', 'a task looks like {"task_id"'),
        ('{"task_id": "1", "task_type": "mail", "outcomes": {}}\n', "line 1"),
        (
            '\n{"task_id": "1", "task_type": "mail", "outcomes": {"a": {"success": 2}}}\n',
            "line 2",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told_in_one_line(call, tmp_path, text: str, words: str) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(text)
    refused(call("evaluate", file), 1, str(file), words)
