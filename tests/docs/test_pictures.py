"""The pictures of docs/choosing.md are made by a command."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import choosing, fleet_runs

MOMENTS = (20, 40, 300)
SVG = "{http://www.w3.org/2000/svg}"


def test_the_command_draws_every_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a third of the tasks, played once: what is drawn is as real as at full size."""
    monkeypatch.setattr(choosing, "FOLDER", tmp_path)
    monkeypatch.setattr(fleet_runs, "TASKS", 1_001)
    monkeypatch.setattr(fleet_runs, "RUNS", 2)
    monkeypatch.setattr(fleet_runs, "MOMENTS", MOMENTS)
    choosing.main()
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(path.name for path in Path("docs/pictures").glob("*.svg"))
    for name in drawn:
        root = ET.parse(tmp_path / name).getroot()
        assert root.tag == f"{SVG}svg"
        assert len(root.findall(f".//{SVG}text")) > 10
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[:3]] == list(map(str, MOMENTS))
    for reward in ("success", "utility"):
        for policy in ("agent_selection", "ts_per_type", "lin_ts"):
            assert f"{reward}, {policy}: mean 0." in printed
    assert "uniform: truth 0." in printed
