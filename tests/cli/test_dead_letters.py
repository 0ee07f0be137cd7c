"""`olearn dead-letters` against a running service."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

from olearn_core.cli import dead_letters
from olearn_core.cli.ages import age as age_of
from olearn_core.client import RefusedError

GOOD = b'{"agent_name": "ada", "status": "success"}'
NO_AGENT = b'{"status": "success"}'
COLUMNS = "(source, topic, partition, offset, reason, pointer, payload_head, payload_bytes,"
COLUMNS += " payload_sha256, created_at, retried_at)"


@pytest.fixture
def database(service, monkeypatch):
    """The service's database, without dead letters; commands find the service's URL."""
    monkeypatch.setenv("OLEARN_URL", service.url)
    path = service.folder / "olearn.db"
    write(path, "DELETE FROM dead_letters")
    return path


def write(path, statement, values=()):
    with closing(sqlite3.connect(path, timeout=15)) as connection, connection:
        return connection.execute(statement, values).lastrowid


def put(path, payload=GOOD, *, offset=0, reason="older", size=None, age_seconds=0, retried=None):
    """Write a dead letter, as an older olearn may have."""
    values = ("kafka", "outcomes", 3, offset, reason, "", payload, size or len(payload), "")
    values += (time.time() - age_seconds, retried)
    marks = ", ".join("?" * len(values))
    return write(path, f"INSERT INTO dead_letters {COLUMNS} VALUES ({marks})", values)


def logged(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM outcome_log").fetchone()[0]


def test_list_shows_the_newest_first_and_the_counts(call, call_json, database):
    first = put(database, offset=4_711, reason="is empty", age_seconds=7_200)
    second = put(database, reason="out of range", retried=time.time())
    found = call_json("dead-letters", "list")
    assert [letter["id"] for letter in found["letters"]] == [second, first]
    assert (found["total"], found["not_retried"]) == (2, 1)
    text = call("dead-letters", "list").stdout
    assert "outcomes/3" in text
    assert "4711" in text
    assert "2 dead letters, 1 of them not retried" in text


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--reason", "EMPTY"], 1),
        (["--topic", "elsewhere"], 0),
        (["--since", "1h"], 1),
        (["--since", "3h"], 2),
        (["--limit", "1"], 2),
    ],
)
def test_list_asks_for_some(call_json, database, filters, count):
    put(database, offset=1, reason="is empty", age_seconds=7_200)
    put(database, offset=2, reason="out of range")
    assert call_json("dead-letters", "list", *filters)["total"] == count


@pytest.mark.parametrize("age", ["1", "h", "1y", "-1h", "1.5h", ""])
def test_an_age_that_is_none_is_a_usage_mistake(call, database, age):
    assert call("dead-letters", "list", "--since", age).exit_code == 2


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1d", 86_400)])
def test_ages(text, seconds):
    assert age_of(text).total_seconds() == seconds


def test_show_tells_all_of_one(call, call_json, database):
    letter_id = put(database, b'{"agent_name": "\xff"}', offset=4_711)
    shown = call_json("dead-letters", "show", letter_id)
    assert (shown["offset"], shown["lossy"]) == (4_711, True)
    text = call("dead-letters", "show", letter_id).stdout
    assert "the record of 19 bytes, not all of it text:" in text
    assert '{"agent_name": "\ufffd"}' in text


def test_show_of_a_head_says_so(call, database):
    letter_id = put(database, b"x" * 4_096, size=5_000)
    text = call("dead-letters", "show", letter_id).stdout
    assert "the record of 5,000 bytes, of which the head is kept:" in text


def test_a_strangers_text_does_not_steer_the_terminal(call, database):
    evil = "\x1b]0;owned\x07"
    letter_id = put(database, evil.encode(), reason=evil)
    for command in (["list"], ["show", letter_id], ["retry", letter_id], ["retry", "--all"]):
        said = call("dead-letters", *command).stdout
        assert "\x1b" not in said
        assert "\x07" not in said
    assert "\\x1b]0;owned" in call("dead-letters", "show", letter_id).stdout


def test_one_that_is_not_there(call, database):
    result = call("dead-letters", "show", 4_711)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "no dead letter 4711" in result.stderr


def test_retry_by_id_tells_what_became_of_each(call, database):
    good, bad = put(database), put(database, NO_AGENT, offset=1)
    before = logged(database)
    result = call("dead-letters", "retry", bad, 999_999, good)
    assert result.exit_code == 1
    for said in (
        "retried, now at offset",
        "/agent_name: agent_name is required",
        "no dead letter 999999",
    ):
        assert said in result.stdout
    assert logged(database) == before + 1, "one that is bad does not stop the others"


def test_a_second_retry_has_to_be_meant(call, call_json, database):
    letter_id = put(database)
    done = call_json("dead-letters", "retry", letter_id)
    assert done["retried"][0]["event_id"] == "dead-letter:kafka/outcomes/3/0"
    refused = call("dead-letters", "retry", letter_id, "--json")
    assert refused.exit_code == 1
    assert "was retried at" in json.loads(refused.stdout)["refused"][0]["reason"]
    again = call_json("dead-letters", "retry", letter_id, "--again")
    assert again["retried"][0]["event_id"] == done["retried"][0]["event_id"]


def test_a_file_corrects_what_cannot_be_retried_as_it_is(call, call_json, database, tmp_path):
    letter_id = put(database, b"x" * 4_096, size=5_000, offset=4_711)
    refused = call("dead-letters", "retry", letter_id)
    assert refused.exit_code == 1
    assert "outcomes/3, offset 4711" in refused.stdout
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(GOOD)
    done = call_json("dead-letters", "retry", letter_id, "--file", corrected)
    assert [letter["id"] for letter in done["retried"]] == [letter_id]


@pytest.mark.parametrize("content", [None, b"[1]", b'{"latency_ms": NaN}', b"\xff"])
def test_a_file_that_holds_no_outcome_is_a_usage_mistake(call, database, tmp_path, content):
    corrected = tmp_path / "corrected.json"
    if content is not None:
        corrected.write_bytes(content)
    result = call("dead-letters", "retry", put(database), "--file", corrected)
    assert result.exit_code == 2
    assert ("is no JSON object" if content else "cannot be read") in result.stderr


def test_retry_of_all_goes_from_the_oldest_on_and_sums_up(call, call_json, database, monkeypatch):
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    good = [put(database, offset=offset) for offset in range(5)]
    for offset in range(5, 8):
        put(database, NO_AGENT, offset=offset)
    put(database, b"x" * 4_096, size=5_000, offset=8)
    put(database, offset=9, retried=time.time())
    result = call("dead-letters", "retry", "--all", "--json")
    tried = json.loads(result.stdout)
    assert [letter["id"] for letter in tried["retried"]] == good
    assert len(tried["refused"]) == 4
    assert result.exit_code == 1, "some are still bad"
    text = call("dead-letters", "retry", "--all").stdout
    for what, count in (("retried", 0), ("agent_name is required", 3), (dead_letters.HEAD_ONLY, 1)):
        assert re.search(rf"{re.escape(what)} +{count} ", text), text


def test_retry_of_all_with_a_reason_leaves_the_others(call_json, database):
    wanted = put(database, offset=1, reason="a decision_id is required")
    put(database, offset=2)
    tried = call_json("dead-letters", "retry", "--all", "--reason", "decision_id")
    assert [letter["id"] for letter in tried["retried"]] == [wanted]
    assert call_json("dead-letters", "list")["not_retried"] == 1


def test_retry_of_all_where_there_are_none_is_well(call, database):
    assert call("dead-letters", "retry", "--all").exit_code == 0


def test_where_the_service_fails_meanwhile_what_was_done_is_told(call, database, monkeypatch):
    from olearn_core.client import OlearnClient

    first, second = put(database), put(database, offset=1)
    retry_dead_letter = OlearnClient.retry_dead_letter

    async def failing(client, letter_id, *rest, **options):
        if letter_id == second:
            raise RefusedError(503, "the database does not answer")
        return await retry_dead_letter(client, letter_id, *rest, **options)

    monkeypatch.setattr(OlearnClient, "retry_dead_letter", failing)
    result = call("dead-letters", "retry", first, second, put(database, offset=2), "--json")
    assert result.exit_code == 1
    assert [letter["id"] for letter in json.loads(result.stdout)["retried"]] == [first]
    assert "the database does not answer" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--all", "1"],
        ["--all", "--again"],
        ["--all", "--file", "FILE"],
        ["1", "2", "--file", "FILE"],
        ["1", "--reason", "x"],
        ["0"],
        ["x"],
    ],
)
def test_what_does_not_go_together_is_a_usage_mistake(call, database, tmp_path, arguments):
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(GOOD)
    given = [str(corrected) if a == "FILE" else a for a in arguments]
    assert call("dead-letters", "retry", *given).exit_code == 2


@pytest.mark.parametrize("command", [["list"], ["show", "1"], ["retry", "1"], ["retry", "--all"]])
def test_where_no_service_answers_one_line_says_what_to_do(call, nobody, command):
    result = call("dead-letters", *command, "--url", nobody)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "olearn serve" in result.stderr
