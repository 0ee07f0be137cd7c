"""`olearn models rollback`."""

from __future__ import annotations

import asyncio

import pytest

from olearn_core.client import OlearnClient

MODEL = "success_prediction"
GOOD = {"agent_name": "a", "task_type": "x", "status": "success"}
BAD = GOOD | {"status": "failure"}


@pytest.fixture
def version(service, monkeypatch, call, call_json, learned):
    """The number of a version after which failures were learned; commands find the service."""
    monkeypatch.setenv("OLEARN_URL", service.url)

    def report(*outcomes):
        async def send():
            async with OlearnClient(service.url) as client:
                for outcome in outcomes:
                    await client.report(outcome)
                return (await client.metrics()).samples_processed

        asyncio.run(send())

    before = call_json("agents", "list")
    known = sum(row["total_executions"] for row in before)
    report(GOOD)
    learned(service.url, known + 1)
    number = call_json("models", "save")["versions"][MODEL]
    report(BAD, BAD)
    learned(service.url, known + 3)
    return number


def test_to_a_version_and_undone(call, call_json, version):
    done = call_json("models", "rollback", MODEL, "--to", version, "--reason", "a bad day")
    (change,) = done["changes"]
    assert change["samples_before"] - change["samples_after"] == 2
    assert done["version_before"] == version + 1
    undone = call_json("models", "rollback", MODEL, "--undo", done["rollback_id"])
    assert undone["changes"][0]["samples_after"] == change["samples_before"]


def test_people_are_told_how_to_undo_it(call, version):
    said = call("models", "rollback", "agent_selection", "--to", version, "--tenant", "default")
    assert said.exit_code == 0, said.output
    assert "samples before" in said.stdout
    assert f"Version {version + 1} is before it." in said.stdout
    words = said.stdout.split("olearn ")[-1].split()
    assert words[:3] == ["models", "rollback", "agent_selection"]
    assert call(*words).exit_code == 0


def test_a_refusal_gets_one_line(call, version):
    said = call("models", "rollback", MODEL, "--to", version + 100)
    assert (said.exit_code, said.stderr.count("\n")) == (1, 1)
    assert f"no version {version + 100}" in said.stderr


@pytest.mark.parametrize("options", [[], ["--to", "1", "--undo", "1"], ["--to", "0"]])
def test_one_of_both_has_to_be_given(call, options):
    assert call("models", "rollback", MODEL, *options).exit_code == 2


async def test_over_the_client(service, version):
    async with OlearnClient(service.url) as client:
        done = await client.rollback(MODEL, to_version=version, tenant="default", reason="test")
        assert done.tenants == ["default"]
        undone = await client.rollback(MODEL, undo=done.rollback_id)
        assert undone.changes[0].samples_before == done.changes[0].samples_after
