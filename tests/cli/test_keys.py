"""`olearn keys` on the configured database: a key is shown once, and ends when told."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing

import pytest

from olearn_core.client import OlearnClient, RefusedError
from tests.cli.serving import environment, olearn
from tests.support.credentials import KEY
from tests.support.services import eventually


@pytest.fixture
def _database(call, sqlite_url, monkeypatch):
    monkeypatch.setenv("OLEARN_DATABASE__URL", sqlite_url)
    assert call("db", "upgrade").exit_code == 0


@pytest.mark.usefixtures("_database")
def test_keys_are_made_listed_and_revoked(call, call_json):
    made = call("keys", "create", "--tenant", "acme", "--scope", "read", "--label", "dashboard")
    text = made.stdout.strip()
    assert (made.exit_code, text.startswith("olk_live_")) == (0, True)
    (row,) = call_json("keys", "list")
    assert (row["tenant"], row["scopes"], row["label"]) == ("acme", ["read"], "dashboard")
    assert (row["state"], row["last_used_at"]) == ("good", None)
    assert row["id"] in text
    assert call("keys", "revoke", row["id"], "--yes").exit_code == 0
    (row,) = call_json("keys", "list")
    assert row["state"] == "revoked"
    assert row["revoked_at"] is not None
    assert "revoked" in call("keys", "list").stdout


@pytest.mark.usefixtures("_database")
def test_what_a_key_is_for_unless_told_otherwise(call_json):
    usual = call_json("keys", "create", "--expires", "90d")
    assert (usual["tenant"], usual["scopes"]) == ("default", ["read", "predict", "feedback"])
    assert usual["expires_at"] is not None
    operator = call_json("keys", "create", "--operator")
    assert operator["tenant"] == "*"
    assert operator["scopes"] == ["read", "predict", "feedback", "admin"]


@pytest.mark.usefixtures("_database")
def test_a_key_is_shown_once_and_kept_nowhere(call, call_json, tmp_path):
    text = call_json("keys", "create")["api_key"]
    secret = text.rpartition("_")[2]
    later = call("keys", "list").output + call("keys", "list", "--json").output
    connection = sqlite3.connect(tmp_path / "olearn.db")
    later += "".join(connection.iterdump())
    connection.close()
    assert secret not in later
    assert text not in later


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "--operator", "--tenant", "acme"), 2, "--tenant"),
        (("create", "--scope", "write"), 2, "write"),
        (("create", "--expires", "soon"), 2, "90s"),
        (("create", "--tenant", ""), 1, "tenant"),
        (("create", "--label", "x" * 129), 1, "label"),
        (("revoke", "nobody", "--yes"), 1, "olearn keys list"),
    ],
)
def test_what_cannot_be_done_is_said(call, arguments, code, said):
    refused = call("keys", *arguments)
    assert (refused.exit_code, said in refused.output) == (code, True), refused.output


def test_a_database_that_is_not_there_is_named(call):
    refused = call("keys", "list")
    assert refused.exit_code == 1
    assert "olearn db upgrade" in refused.output


async def _asked(url, text):
    async with OlearnClient(url, api_key=text) as client:
        return await client.status()


def test_a_running_service_knows_new_keys_at_once_and_revoked_ones_within_seconds(
    service, call_json, call, monkeypatch
):
    url = f"sqlite+aiosqlite:///{service.folder / 'olearn.db'}"
    monkeypatch.setenv("OLEARN_DATABASE__URL", url)
    made = call_json("keys", "create", "--scope", "read")
    assert asyncio.run(_asked(service.url, made["api_key"])).running

    with closing(sqlite3.connect(service.folder / "olearn.db")) as connection:
        query = "SELECT last_used_at FROM api_keys WHERE id = ?"
        asyncio.run(
            eventually(lambda: connection.execute(query, (made["id"],)).fetchone()[0], "noted")
        )
    (row,) = [row for row in call_json("keys", "list") if row["id"] == made["id"]]
    assert row["last_used_at"] is not None
    call("keys", "revoke", made["id"], "--yes")

    async def refused():
        try:
            await _asked(service.url, made["api_key"])
        except RefusedError as error:
            return error.status == 401
        return False

    asyncio.run(eventually(refused, "it is refused", 10.0))


class TestFindingTheKey:
    """Commands and clients find the key of a service on this machine by themselves."""

    @pytest.fixture(autouse=True)
    def _nothing_given(self, monkeypatch, tmp_path):
        monkeypatch.delenv("OLEARN_API_KEY", raising=False)
        monkeypatch.delenv("OLEARN_AUTH__BOOTSTRAP_KEY_FILE", raising=False)
        monkeypatch.chdir(tmp_path)

    @staticmethod
    def shown(url, **options):
        client = OlearnClient(url, **options)
        asyncio.run(client.close())
        return client._http.headers.get("authorization")

    def test_the_first_start_s_key_in_this_folder(self, tmp_path):
        assert self.shown("http://127.0.0.1:8000") is None
        (tmp_path / "olearn-bootstrap.key").write_text(KEY + "\n")
        for url in ("http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:8000/"):
            assert self.shown(url) == f"Bearer {KEY}"

    @pytest.mark.parametrize(
        "url",
        [
            *("http://olearn.example", "https://127.0.0.1.evil.example", "http://10.0.0.1:8000"),
            *("http://localhost@evil.example", "nonsense", "http://[:8000"),
        ],
    )
    def test_it_is_shown_to_no_other_machine(self, tmp_path, url):
        from olearn_core.client.keys import found_key

        (tmp_path / "olearn-bootstrap.key").write_text(KEY)
        assert found_key(url) is None

    def test_the_rank_is_given_then_environment_then_file(self, tmp_path, monkeypatch):
        (tmp_path / "elsewhere").write_text("from the file")
        monkeypatch.setenv("OLEARN_AUTH__BOOTSTRAP_KEY_FILE", str(tmp_path / "elsewhere"))
        assert self.shown("http://127.0.0.1") == "Bearer from the file"
        monkeypatch.setenv("OLEARN_API_KEY", "from the environment")
        assert self.shown("http://127.0.0.1") == "Bearer from the environment"
        assert self.shown("http://olearn.example") == "Bearer from the environment"
        assert self.shown("http://127.0.0.1", api_key="given") == "Bearer given"

    def test_a_command_in_the_service_s_folder_needs_nothing(self, service, monkeypatch):
        done = subprocess.run(
            olearn("agents", "list", "--url", service.url),
            cwd=service.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        elsewhere = subprocess.run(
            olearn("agents", "list", "--url", service.url),
            cwd=service.folder.parent,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert elsewhere.returncode == 1
        assert "OLEARN_API_KEY" in elsewhere.stderr
