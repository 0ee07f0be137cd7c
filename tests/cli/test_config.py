from __future__ import annotations

import json
import tomllib

import pytest


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "olearn.toml"
    path.write_text(
        '[database]\nurl = "postgresql+asyncpg://me:sesame@db/olearn"\n'
        '[kafka]\nsasl_password = "sesame"\n'
        "[models.agent_selection]\ncuriosity = 2.0\n"
    )
    return path


def test_show_is_toml_with_what_is_in_force(call, file):
    result = call("config", "show", "--config", file)
    shown = tomllib.loads(result.stdout)
    assert shown["models"]["agent_selection"]["curiosity"] == 2.0
    assert shown["api"]["port"] == 8000
    assert shown["decisions"]["weights"]["success"] == 0.6


def test_show_masks_secrets(call, file):
    for more in ([], ["--json"]):
        assert "sesame" not in call("config", "show", "--config", file, *more).output


def test_show_as_json(call_json, file):
    assert call_json("config", "show", "--config", file)["kafka"]["group"] == "olearn"


def test_the_environment_overrides_the_file(call_json, file, monkeypatch):
    monkeypatch.setenv("OLEARN_KAFKA__GROUP", "others")
    monkeypatch.setenv("MODEL_BATCH_SIZE", "25")
    shown = call_json("config", "show", "--config", file)
    assert (shown["kafka"]["group"], shown["learning"]["batch_size"]) == ("others", 25)


def test_check_of_a_good_file(call, call_json, file):
    assert call("config", "check", "--config", file).stdout == "the configuration is valid\n"
    assert call_json("config", "check", "--config", file) == {"valid": True, "problem": None}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[api]\nprot = 1\n", "api.prot"),
        ("[api]\nport = 'x'\n", "api.port"),
        ("[api\n", "bad.toml"),
        ("[models.nobody]\nx = 1\n", "models.nobody"),
        ("[models.agent_selection]\ncuriosity = -1\n", "models.agent_selection"),
        ("[decisions]\npolicy = 'dice'\n", "dice"),
    ],
)
def test_check_names_what_is_wrong_in_one_line(call, tmp_path, text, named):
    bad = tmp_path / "bad.toml"
    bad.write_text(text)
    result = call("config", "check", "--config", bad)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert named in result.stderr
    as_json = call("config", "check", "--config", bad, "--json")
    assert as_json.exit_code == 1
    assert named in json.loads(as_json.stdout)["problem"]


def test_a_file_that_is_not_there(call):
    result = call("config", "show", "--config", "nowhere.toml")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "nowhere.toml" in result.stderr


def test_show_origin_tells_who_says_so(call, call_json, file, monkeypatch):
    monkeypatch.setenv("OLEARN_KAFKA__GROUP", "others")
    shown = call_json("config", "show", "--origin", "--config", file)
    found = {s["key"]: (s["origin"], s["variable"]) for s in shown["settings"]}
    assert found["kafka.group"] == ("environment", "OLEARN_KAFKA__GROUP")
    assert found["database.url"] == ("file", None)
    assert found["api.port"] == ("default", None)
    result = call("config", "show", "--origin", "--config", file)
    assert "OLEARN_KAFKA__GROUP" in result.output
    assert "sesame" not in result.output
