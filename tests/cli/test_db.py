from __future__ import annotations

import pytest


@pytest.fixture
def database(tmp_path, monkeypatch, call):
    del call  # it empties the environment
    path = tmp_path / "here.db"
    monkeypatch.setenv("OLEARN_DATABASE__URL", f"sqlite+aiosqlite:///{path}")
    return path


def test_upgrade_makes_what_check_asks_for(call, call_json, database):
    assert call("db", "upgrade").exit_code == 0
    assert database.exists()
    checked = call_json("db", "check")
    assert checked["database"].endswith("here.db")
    assert checked == call_json("db", "upgrade")
    assert checked["schema"] in call("db", "check").stdout


def test_check_of_a_missing_file_says_so_and_makes_none(call, database):
    result = call("db", "check")
    assert result.exit_code == 1
    assert "olearn db upgrade" in result.stderr
    assert not database.exists()


def test_check_of_an_empty_database_says_which_command_mends_it(call, database):
    database.touch()
    result = call("db", "check")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "olearn db upgrade" in result.stderr


@pytest.mark.parametrize("command", ["check", "upgrade"])
def test_a_file_that_is_no_database(call, database, command):
    database.write_text("this is not a database, but a letter " * 40)
    result = call("db", command)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "here.db" in result.stderr


def test_a_password_is_not_shown(call, monkeypatch):
    monkeypatch.setenv("OLEARN_DATABASE__URL", "postgresql+asyncpg://me:sesame@127.0.0.1:1/x")
    result = call("db", "check")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "sesame" not in result.stderr
