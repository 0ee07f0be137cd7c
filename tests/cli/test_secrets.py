"""Secrets are told nowhere: not in words, log, answers, errors, documents or files."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from olearn_core.cli.probes import probes
from olearn_core.client import OlearnClient
from tests.cli.serving import Serving, environment, olearn
from tests.servers import free_ports

DATABASE_PASSWORD = "p@ss of/the:database"
PASSWORDS = {
    "OLEARN_KAFKA__SASL_PASSWORD": "sasl p@ssword/of:kafka",
    "OLEARN_KAFKA__SSL_KEY_PASSWORD": "password of the ssl key",
    "OLEARN_JWT__SECRET": "an-hmac-secret-that-nobody-may-read-" + "x" * 8,
}
LOUD = {"OLEARN_LOGGING__LEVEL": "DEBUG", "OLEARN_LOGGING__ACCESS": "info"}


def test_no_secret_is_told_by_a_whole_run(tmp_path):
    """Of a service that writes its own first key: not in its words, its log, answers or files."""
    secret = "an-hmac-secret-that-nobody-may-read-" + "x" * 8
    (tmp_path / "config.toml").write_text(
        '[jwt]\nalgorithms = ["HS256"]\nissuer = "i"\naudience = "a"\n[logging]\nlevel = "DEBUG"\n'
    )
    path = tmp_path / "olearn-bootstrap.key"
    with Serving(tmp_path, own_key=True, OLEARN_JWT__SECRET=secret) as serving:
        text = path.read_text().strip()
        assert path.stat().st_mode & 0o777 == 0o600
        assert str(path) in "".join(serving.said)
        answers = asyncio.run(_everything(serving.url, text))
        said = "".join(serving.said)
        assert serving.stop() == 0
        said += serving.process.stdout.read() + serving.log
    shown = subprocess.run(
        olearn("config", "show", "--json"),
        cwd=tmp_path,
        env=environment(OLEARN_JWT__SECRET=secret),
        capture_output=True,
        text=True,
        check=True,
    )
    files = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p != path)
    told = f"{said}{answers}{shown.stdout}{shown.stderr}"
    everything = told.encode() + files
    for hidden in (text, text.rpartition("_")[2], text.rpartition("_")[2][:43], secret):
        assert hidden.encode() not in everything
    assert b"api_keys" in files, "the database was looked through as well"
    for kept in _kept_secrets(tmp_path / "olearn.db"):
        assert kept.hex() not in told
        assert repr(kept)[2:-1] not in told


def _kept_secrets(path):
    """Return what decisions are signed with, and what digests of keys are made with."""
    with closing(sqlite3.connect(path)) as connection:
        tables = ("signing_keys", "key_peppers")
        rows = [row for t in tables for row in connection.execute(f"SELECT secret FROM {t}")]
    assert len(rows) == len(tables)
    return [secret for (secret,) in rows]


async def _everything(url, text):
    """Ask for everything there is, well and badly, and return all that is said."""
    said = []
    for key in (text, text[:-1] + "!", "olk_live_" + text[9:], "x.y.z"):
        async with OlearnClient(url, api_key=key) as client:
            for probe in probes():
                reply = await client.request(probe.method, probe.path, probe.content)
                said.append(reply.content.decode())
            reply = await client.request("GET", "/openapi.json")
            said.append(reply.content.decode())
    return "".join(said)


@pytest.mark.postgres
def test_no_password_is_told_by_a_whole_run_on_postgresql(tmp_path, postgres_url):
    """Nor by commands that look at its configuration, nor where the database is not there."""
    url = make_url(postgres_url).set(password=DATABASE_PASSWORD)
    settings = LOUD | PASSWORDS | {"OLEARN_DATABASE__URL": shown(url)}
    told = said_by(tmp_path, "db", "upgrade", **settings)
    with Serving(tmp_path, **settings) as serving:
        key = (tmp_path / "olearn-bootstrap.key").read_text().strip()
        told += (answers := asyncio.run(_everything(serving.url, key)))
        assert "postgresql+asyncpg" in answers, "the configuration was told"
        assert serving.stop() == 0
        told += "".join(serving.said) + serving.process.stdout.read() + serving.log
    assert "DEBUG" in told
    for command in (("config", "show"), ("config", "show", "--origin"), ("db", "check")):
        told += said_by(tmp_path, *command, **settings)
    nowhere = settings | {"OLEARN_DATABASE__URL": shown(url.set(database="nowhere"))}
    for command in (("serve", "--port", "0"), ("db", "check"), ("keys", "list")):
        refused = said_by(tmp_path, *command, **nowhere)
        assert "nowhere" in refused
        told += refused
    assert_untold(told, [DATABASE_PASSWORD, *PASSWORDS.values()])


def test_no_password_is_told_where_the_broker_is_away(tmp_path):
    (port,) = free_ports(1)
    kafka = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "OLEARN_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "OLEARN_KAFKA__SASL_USERNAME": "olearn",
    }
    told = said_by(tmp_path, "serve", "--port", "0", **LOUD, **PASSWORDS, **kafka)
    assert "cannot reach Kafka" in told
    assert_untold(told, PASSWORDS.values())


def shown(url):
    return url.render_as_string(hide_password=False)


def said_by(folder, *command, **settings):
    done = subprocess.run(
        olearn(*command),
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def assert_untold(told, hidden):
    for secret in hidden:
        assert secret not in told
        assert quote(secret) not in told
        assert quote(secret, safe="") not in told
