"""API keys: how they look, who knows them, and when they end."""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from olearn_core.auth.api_key import key_id, new_key
from olearn_core.auth.api_keys import ApiKeys
from olearn_core.auth.authenticator import Authenticator
from olearn_core.auth.bootstrap import bootstrap
from olearn_core.config import AuthSettings, JwtSettings
from olearn_core.errors import AuthenticationError, ConfigError, NotFoundError, QuestionError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import api_keys, key_peppers


def authenticator(database: Database, **auth: object) -> Authenticator:
    return Authenticator(database, AuthSettings(**auth), JwtSettings())


class TestText:
    def test_it_tells_what_it_is_for_and_can_be_selected_at_once(self) -> None:
        assert re.fullmatch(r"olk_test_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", new_key("test"))

    def test_every_slip_is_noticed_without_asking_anybody(self) -> None:
        text = new_key("live")
        for at in range(9, len(text)):
            wrong = "x" if text[at] != "x" else "y"
            with pytest.raises(AuthenticationError):
                key_id(text[:at] + wrong + text[at + 1 :])

    @pytest.mark.parametrize("text", ["", "olk_", "olk_live_a_b", "olk_live", "a\n"])
    def test_what_is_no_key_is_said_to_be_none(self, text: str) -> None:
        with pytest.raises(AuthenticationError, match="olk_live_"):
            key_id(text)
        with pytest.raises(AuthenticationError):
            key_id(new_key("live") + "\n")

    def test_no_two_are_alike(self) -> None:
        assert len({new_key("live") for _ in range(100)}) == 100


async def test_the_key_is_known_and_the_database_does_not_have_it(database: Database) -> None:
    keys = ApiKeys(database, "live")
    text, row = await keys.create("acme", ["read", "predict"], label="gateway")
    credential, ends_at = await ApiKeys(database, "live").identified(text)
    assert (credential.id, credential.tenant, ends_at) == (row.id, "acme", None)
    assert credential.scopes == {"read", "predict"}
    async with database.read() as connection:
        stored = str([tuple(r) for r in await connection.execute(select(api_keys))])
    secret = text.split("_")[-1]
    assert secret not in stored
    assert secret[:43] not in stored


async def test_a_key_with_another_s_id_is_not_known(database: Database) -> None:
    from olearn_core.auth.api_key import checksum

    keys = ApiKeys(database, "live")
    text, _ = await keys.create("acme", ["read"])
    guessed = text[:-49] + "0" * 43
    with pytest.raises(AuthenticationError, match="not known"):
        await keys.identified(guessed + checksum(guessed))


async def test_a_copy_of_the_table_is_worth_nothing_without_the_pepper(database: Database) -> None:
    keys = ApiKeys(database, "live")
    text, _ = await keys.create("acme", ["read"])
    async with database.write() as connection:
        await connection.execute(key_peppers.update().values(secret=b"x" * 32))
    with pytest.raises(AuthenticationError, match="not known"):
        await ApiKeys(database, "live").identified(text)


async def test_keys_end_when_they_expire_or_are_revoked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ApiKeys(database, "live")
    short, _ = await keys.create("acme", ["read"], expires_at=time.time() + 60)
    lasting, row = await keys.create("acme", ["read"])
    await keys.store.revoke(row.id, time.time())
    with pytest.raises(AuthenticationError, match="revoked"):
        await keys.identified(lasting)
    await keys.identified(short)
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(AuthenticationError, match="expired"):
        await keys.identified(short)
    with pytest.raises(NotFoundError, match="olearn keys list"):
        await keys.store.revoke("nobody", later)


@pytest.mark.parametrize(
    ("tenant", "scopes", "seconds"),
    [
        ("acme", [], None),
        ("acme", ["write"], None),
        ("", ["read"], None),
        ("__other__", ["read"], None),
        ("a\0", ["read"], None),
        ("acme", ["read"], -1.0),
    ],
)
async def test_keys_that_make_no_sense_are_not_made(
    database: Database, tenant: str, scopes: list[str], seconds: float | None
) -> None:
    keys = ApiKeys(database, "live")
    expires_at = None if seconds is None else time.time() + seconds
    with pytest.raises(QuestionError):
        await keys.create(tenant, scopes, expires_at=expires_at)
    assert await keys.store.all() == []


class TestRemembering:
    """A key is asked for once; nodes notice within seconds that it was revoked."""

    async def test_a_known_key_costs_no_question(self, database: Database) -> None:
        door = authenticator(database)
        text, _ = await door.keys.create("acme", ["read"])
        first = await door.credential(text.encode())
        await database.close()  # nobody to ask any more
        assert await door.credential(text.encode()) is first

    async def test_a_revoked_key_is_forgotten(self, database: Database) -> None:
        here, there = authenticator(database), authenticator(database)
        text, row = await here.keys.create("acme", ["read"])
        await here.credential(text.encode())
        await there.keys.store.revoke(row.id, time.time())
        await here.forget_revoked()
        with pytest.raises(AuthenticationError, match="revoked"):
            await here.credential(text.encode())

    async def test_a_key_that_expires_meanwhile_is_refused_at_once(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door = authenticator(database)
        text, _ = await door.keys.create("acme", ["read"], expires_at=time.time() + 60)
        await door.credential(text.encode())
        later = time.time() + 61
        monkeypatch.setattr(time, "time", lambda: later)
        with pytest.raises(AuthenticationError, match="expired"):
            await door.credential(text.encode())

    async def test_memory_is_bounded(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("olearn_core.auth.authenticator.MOST_KNOWN", 2)
        door = authenticator(database)
        texts = [(await door.keys.create("acme", ["read"]))[0] for _ in range(5)]
        for text in texts:
            await door.credential(text.encode())
        assert len(door._known) == 2

    async def test_when_it_was_used_last_is_written_once_a_minute(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nodes = authenticator(database), authenticator(database)
        text, row = await nodes[0].keys.create("acme", ["read"])
        start = time.time()
        noted = []
        for seconds in (0, 1, 59, 61, 62):
            monkeypatch.setattr(time, "time", lambda now=start + seconds: now)
            for node in nodes:
                await node.credential(text.encode())
                await node.look()
            noted.append((await nodes[0].keys.store.some([row.id]))[0].last_used_at)
        assert noted == [start, start, start, start + 61, start + 61]


class TestBootstrap:
    """The first start makes an operator's key; nobody but its owner reads it."""

    async def test_it_is_written_once_to_a_private_file(
        self, database: Database, tmp_path: Path
    ) -> None:
        path = tmp_path / "new" / "first.key"
        door = authenticator(database, bootstrap_key_file=path)
        await door.start()
        assert door.key_file == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text().strip()
        credential = await door.credential(text.encode())
        assert credential.is_operator
        assert credential.scopes == {"read", "predict", "feedback", "admin"}
        again = authenticator(database, bootstrap_key_file=path)
        await again.start()
        assert (again.key_file, path.read_text().strip()) == (path, text)
        assert len(await door.keys.store.all()) == 1

    async def test_no_other_is_made_where_there_were_keys_before(
        self, database: Database, tmp_path: Path
    ) -> None:
        keys = ApiKeys(database, "live")
        await keys.create("acme", ["read"])
        assert await bootstrap(keys, tmp_path / "first.key", "live") is None
        assert not (tmp_path / "first.key").exists()

    async def test_a_key_that_lies_there_is_taken(self, database: Database, tmp_path: Path) -> None:
        path = tmp_path / "first.key"
        path.touch(0o600)
        path.write_text(text := new_key("live"))
        keys = ApiKeys(database, "live")
        assert await bootstrap(keys, path, "live") == path
        assert (await keys.identified(text))[0].is_operator

    @pytest.mark.parametrize(
        ("mode", "text", "said"),
        [(0o644, None, "chmod 600"), (0o600, "no key", "delete it"), (0o600, "", "delete it")],
    )
    async def test_a_file_that_is_not_fit_for_a_key_is_named(
        self, database: Database, tmp_path: Path, mode: int, text: str | None, said: str
    ) -> None:
        path = tmp_path / "first.key"
        path.touch()
        path.chmod(mode)
        path.write_text(new_key("live") if text is None else text)
        with pytest.raises(ConfigError, match=said):
            await bootstrap(ApiKeys(database, "live"), path, "live")

    async def test_a_place_that_cannot_be_written_is_named(
        self, database: Database, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="bootstrap_key_file"):
            await bootstrap(ApiKeys(database, "live"), tmp_path / "file" / "key", "live")

    async def test_of_two_nodes_that_start_at_once_one_makes_the_key(
        self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours, theirs = ApiKeys(database, "live"), ApiKeys(database, "live")
        begin = ours.begin

        async def begin_later(text: str) -> bool:
            await bootstrap(theirs, tmp_path / "theirs", "live")
            return await begin(text)

        monkeypatch.setattr(ours, "begin", begin_later)
        assert await bootstrap(ours, tmp_path / "ours", "live") is None
        there = [name for name in ("ours", "theirs") if os.access(tmp_path / name, os.F_OK)]
        assert there == ["theirs"]
        assert len(await ours.store.all()) == 1
