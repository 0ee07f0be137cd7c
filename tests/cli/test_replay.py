from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter

import pytest

from olearn_core.evaluation.json_lines import DataFileError
from olearn_core.evaluation.replay import Chooser, Replay, jobs
from olearn_core.evaluation.tasks import Execution, read_tasks
from olearn_core.events import decode_outcome
from tests.cli import recorded
from tests.cli.serving import Serving


@pytest.fixture
def fresh(tmp_path, monkeypatch, call):
    """A service of this test alone, whose URL commands find in the environment."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    with Serving(folder) as serving:
        monkeypatch.setenv("OLEARN_URL", serving.url)
        yield serving


@pytest.fixture(params=["tasks.jsonl", "tasks.jsonl.gz"])
def file(request, tmp_path):
    return recorded.write(tmp_path / request.param)


@pytest.fixture
def plain(tmp_path):
    return recorded.write(tmp_path / "tasks.jsonl")


def sums_of(call_json):
    rows = call_json("agents", "list", "--by", "task_type")
    return {(row["task_type"], row["agent_name"]): row["sums"] for row in rows}


def test_all_sends_every_cell_once_and_the_sums_are_exact(call_json, learned, fresh, file):
    sent = call_json("replay", file, "--all")
    assert (sent["sent"], sent["failures"], sent["via"]) == (recorded.CELLS, {}, "http")
    assert sent["by_agent"] == {"ada": 40, "bob": 40, "cleo": 40}
    learned(fresh.url, recorded.CELLS)
    sums, expected = sums_of(call_json), recorded.counted()
    assert sums.keys() == expected.keys()
    for cell, columns in expected.items():
        assert {name: sums[cell][name] for name in columns} == columns


def test_a_run_repeated_by_name_counts_once(call_json, learned, fresh, plain):
    call_json("replay", plain, "--all", "--run", "again")
    call_json("replay", plain, "--all", "--run", "again")
    learned(fresh.url, 2 * recorded.CELLS)
    assert sum(row["total_executions"] for row in call_json("agents", "list")) == recorded.CELLS


def test_random_and_asked_agents_one_a_task(call, call_json, learned, fresh, plain):
    assert call_json("replay", plain)["sent"] == 40
    asked = call_json("replay", plain, "--agents", "ask", "--concurrency", "4")
    assert asked["sent"] == 40
    assert asked["failures"] == {}
    learned(fresh.url, 80)
    result = call("replay", plain, "--agents", "ask", "--limit", "5", "--rate", "1000")
    assert result.exit_code == 0
    assert "5 outcomes sent via http" in result.stdout
    learned(fresh.url, 85)
    assert sum(row["total_executions"] for row in call_json("agents", "list")) == 85


def test_refused_outcomes_are_counted_and_make_the_exit_code_1(call, fresh, tmp_path):
    named = [{"task_id": "1", "task_type": "x" * 200, "outcomes": {"a": {"success": 1}}}]
    file = recorded.write(tmp_path / "long.jsonl", named + recorded.TASKS[:2])
    result = call("replay", file, "--all")
    assert result.exit_code == 1
    assert "not taken: 1 x" in result.stderr
    assert "6 outcomes sent" in result.stdout


@pytest.mark.kafka
def test_over_kafka_where_it_is_configured(
    call_json, learned, kafka_broker, kafka_topic, tmp_path, monkeypatch, plain
):
    topic = asyncio.run(kafka_topic(2))
    kafka = {"KAFKA_BOOTSTRAP_SERVERS": kafka_broker.bootstrap, "KAFKA_OUTCOME_TOPIC": topic}
    (tmp_path / "fresh").mkdir()
    with Serving(tmp_path / "fresh", **kafka) as serving:
        assert f"Kafka topic {topic} at {kafka_broker.bootstrap}, group olearn" in "".join(
            serving.said
        )
        monkeypatch.setenv("OLEARN_URL", serving.url)
        for name, value in kafka.items():
            monkeypatch.setenv(name, value)
        assert call_json("replay", plain, "--all")["via"] == "kafka"
        learned(serving.url, recorded.CELLS)
        executions = {cell: sums["executions"] for cell, sums in sums_of(call_json).items()}
        assert executions == {c: s["executions"] for c, s in recorded.counted().items()}
        assert call_json("replay", plain, "--agents", "ask", "--limit", "3")["sent"] == 3
        assert serving.stop() == 0


def test_kafka_without_a_broker(call, plain, monkeypatch):
    result = call("replay", plain, "--via", "kafka")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "--via http" in result.stderr
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = call("replay", plain)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "127.0.0.1:1" in result.stderr


def test_nobody_there(call, plain, nobody):
    result = call("replay", plain, "--url", nobody)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    "arguments",
    [["--all", "--agents", "ask"], ["--via", "pigeon"], ["--limit", "0"], ["--rate", "-1"]],
)
def test_usage_mistakes(call, plain, arguments):
    assert call("replay", plain, *arguments).exit_code == 2


def test_a_file_that_is_not_there_is_a_usage_mistake(call):
    assert call("replay", "nowhere.jsonl").exit_code == 2


@pytest.mark.parametrize(
    "line",
    [
        '{"task_id": "x", "task_type": "y", "outcomes": {"a": {"success": 2}}}',
        '{"task_id": "x", "task_type": "y", "outcomes": {}}',
        '{"task_id": "x", "outcomes": {"a": {"success": 1}}}',
        '{"task_id": "x", "task_type": "y", "outcomes": {"a": {"success": 1, "cost_usd": -1}}}',
        "not JSON",
        "\udcff",
    ],
)
def test_a_bad_line_is_named(call, tmp_path, line):
    file = tmp_path / "bad.jsonl"
    good = json.dumps(recorded.TASKS[0])
    file.write_bytes(f"{good}\n\n{line}\n{good}\n".encode(errors="surrogateescape"))
    result = call("replay", file)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "bad.jsonl, line 3: " in result.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"\x1f\x8bnonsense", gzip.compress(b"x" * 9_000, mtime=0)[:20]],
    ids=["empty", "blank", "nonsense", "torn"],
)
def test_a_file_that_holds_nothing_readable(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataFileError, match="file"):
        read_tasks(tmp_path / "file")


def test_jobs_are_the_same_for_a_seed_and_shuffled(plain):
    tasks = read_tasks(plain)
    first, again = jobs(tasks, Chooser.RANDOM, 1), jobs(tasks, Chooser.RANDOM, 1)
    assert first == again
    assert first != jobs(tasks, Chooser.RANDOM, 2)
    assert [job.task for job in first] != tasks
    assert Counter(job.task.task_id for job in first) == Counter(t.task_id for t in tasks)


def test_all_keeps_the_order_and_a_limit_counts_tasks(plain):
    todo = jobs(read_tasks(plain), Chooser.ALL, seed=1, limit=2)
    assert [(job.task.task_id, job.agent) for job in todo] == [
        (f"task-{number}", agent) for number in (0, 1) for agent in ("ada", "bob", "cleo")
    ]


@pytest.mark.parametrize(
    ("success", "status"), [(1, "success"), (0, "failure"), (0.5, "partial"), (1.0, "success")]
)
def test_the_status_of_a_recorded_success(success, status):
    assert Execution(success).status == status


class Collecting:
    """A sender that keeps what it is given, and fails after a while."""

    def __init__(self, fails_after=10**9, error=None):
        self.events = []
        self._fails_after = fails_after
        self._error = error

    async def send(self, fields):
        if len(self.events) >= self._fails_after:
            raise self._error
        self.events.append(fields)


async def replayed(plain, sender, concurrency=3, **more):
    steps = []
    replay = Replay("run", sender, client=None, on_sent=lambda: steps.append(1))
    todo = jobs(read_tasks(plain), Chooser.ALL, seed=0)
    return await replay.send(todo, concurrency, **more), len(steps)


async def test_an_outcome_is_what_the_learner_reads(plain):
    sender = Collecting()
    sent, steps = await replayed(plain, sender)
    assert (sent.taken, steps) == (recorded.CELLS, recorded.CELLS)
    assert sent.rate > 0
    from olearn_core.events import encode_outcome

    outcome = decode_outcome(encode_outcome(sender.events[2]))
    assert (outcome.event_id, outcome.agent_name) == ("run-task-0-cleo", "cleo")
    assert (outcome.task, outcome.status) == ("mail", "success" if 2 % 2 else "failure")
    assert (outcome.latency_ms, outcome.quality_score) == (102, None)
    assert outcome.timestamp is not None


async def test_where_the_log_breaks_off_the_replay_ends(plain):
    from olearn_core.errors import SourceError

    sender = Collecting(20, SourceError("the log is gone"))
    sent, _ = await replayed(plain, sender)
    assert sent.taken == 20
    assert set(sent.failures) == {"the log is gone"}
    assert sent.failures.total() <= 3
