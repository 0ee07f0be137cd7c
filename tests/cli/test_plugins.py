from __future__ import annotations

import json

from olearn_core.plugins import PluginInfo, Plugins

BUNDLED = {"agent_selection", "classic", "cost", "latency", "quality", "success"}


def test_list_has_the_bundled_plugins(call, call_json):
    infos = {info["name"]: info for info in call_json("plugins")}
    assert infos.keys() >= BUNDLED
    assert infos["success"]["models"] == ["success_prediction"]
    assert all(name in call("plugins").stdout for name in BUNDLED)


def test_a_disabled_plugin_is_left_out(call_json, monkeypatch):
    monkeypatch.setenv("OLEARN_PLUGINS__DISABLED", '["classic"]')
    assert "classic" not in {info["name"] for info in call_json("plugins")}


def test_a_broken_plugin_is_shown_with_its_problem(call, monkeypatch):
    found = Plugins.found()
    found.infos.append(PluginInfo("dice", "dice-olearn", "0.1", problem="ImportError: no dice"))
    monkeypatch.setattr(Plugins, "found", lambda _: found)
    result = call("plugins", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[-1]["problem"] == "ImportError: no dice"
    assert "no dice" in call("plugins").stdout
