"""`olearn signing-keys` on the configured database."""

from __future__ import annotations

import sqlite3

import pytest


@pytest.fixture
def _database(call, sqlite_url, monkeypatch):
    monkeypatch.setenv("OLEARN_DATABASE__URL", sqlite_url)
    assert call("db", "upgrade").exit_code == 0


@pytest.mark.usefixtures("_database")
def test_keys_are_rotated_listed_and_retired(call, call_json):
    assert call("signing-keys", "list").exit_code == 0
    assert "key 2 signs" in call("signing-keys", "rotate").stdout
    rows = call_json("signing-keys", "list")
    assert [(row["number"], row["signs"]) for row in rows] == [(1, False), (2, True)]
    assert call("signing-keys", "retire", 1, "--yes").exit_code == 0
    assert [row["number"] for row in call_json("signing-keys", "list")] == [2]


@pytest.mark.usefixtures("_database")
def test_no_secret_is_shown(call, tmp_path):
    said = call("signing-keys", "rotate").output + call("signing-keys", "list", "--json").output
    connection = sqlite3.connect(tmp_path / "olearn.db")
    secrets = [secret for (secret,) in connection.execute("SELECT secret FROM signing_keys")]
    connection.close()
    assert len(secrets) == 2
    assert not any(secret.hex() in said for secret in secrets)


@pytest.mark.usefixtures("_database")
def test_what_cannot_be_done_is_said_in_a_line(call):
    call("signing-keys", "rotate")
    assert "retire" in call("signing-keys", "rotate").output
    refused = call("signing-keys", "retire", 2, "--yes")
    assert (refused.exit_code, "rotate" in refused.output) == (1, True)


def test_a_database_that_is_not_there_is_named(call):
    refused = call("signing-keys", "list")
    assert refused.exit_code == 1
    assert "olearn db upgrade" in refused.output
