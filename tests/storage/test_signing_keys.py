"""Keys are rotated without losing a decision: nodes learn new ones before they refuse."""

from __future__ import annotations

import time

import pytest

from olearn_core.errors import NotFoundError, StorageError, TokenError
from olearn_core.events import encode_outcome
from olearn_core.storage.database import Database
from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.tokens import NONCE_BYTES, Decided, sign, verify

DECIDED = Decided(bytes(NONCE_BYTES), 0.5, 1, 1_772_366_400, bytes(8), "default", "code", "ada")


async def loaded(database: Database) -> SigningKeys:
    keys = SigningKeys(database)
    await keys.load()
    return keys


def value_of(token: str) -> bytes:
    return encode_outcome({"agent_name": "ada", "success": True, "decision_id": token})


async def test_the_new_key_signs_and_the_old_one_s_decisions_stay_good(database: Database) -> None:
    keys = await loaded(database)
    before = sign(keys.newest(), DECIDED)
    assert await keys.rotate() == 2
    after = sign(keys.newest(), DECIDED)
    assert keys.newest().number == 2
    assert verify(keys.all(), before) == verify(keys.all(), after) == DECIDED


async def test_another_node_asks_the_database_before_it_refuses_a_key(database: Database) -> None:
    here, there = await loaded(database), await loaded(database)
    await there.rotate()
    token = sign(there.newest(), DECIDED)
    with pytest.raises(TokenError):
        verify(here.all(), token)
    await here.know([None, b"{", value_of(token)])
    assert verify(here.all(), token) == DECIDED
    assert here.newest().number == 2, "and signs with it too"


async def test_known_keys_cost_no_question(database: Database) -> None:
    keys = await loaded(database)
    token = sign(keys.newest(), DECIDED)
    known = keys.all()
    await keys.know([value_of(token)])
    assert keys.all() is known


async def test_there_are_two_keys_at_most(database: Database) -> None:
    keys = await loaded(database)
    await keys.rotate()
    with pytest.raises(StorageError, match="olearn signing-keys retire 1"):
        await keys.rotate()
    await keys.retire(1)
    assert await keys.rotate() == 3
    assert [row.number for row in keys.rows()] == [2, 3]


async def test_decisions_of_a_retired_key_are_refused(database: Database) -> None:
    keys, other = await loaded(database), await loaded(database)
    token = sign(keys.newest(), DECIDED)
    await keys.rotate()
    await keys.retire(1)
    await other.refresh()
    for node in (keys, other):
        with pytest.raises(TokenError) as caught:
            verify(node.all(), token)
        assert caught.value.refusal == "unknown_key"


async def test_the_key_that_signs_and_one_that_is_not_there_cannot_be_retired(
    database: Database,
) -> None:
    keys = await loaded(database)
    with pytest.raises(StorageError, match="olearn signing-keys rotate"):
        await keys.retire(1)
    with pytest.raises(NotFoundError, match="olearn signing-keys list"):
        await keys.retire(7)
    assert sign(keys.newest(), DECIDED)


async def test_numbers_begin_anew_after_255(database: Database) -> None:
    keys = await loaded(database)
    for number in range(2, 256):
        assert await keys.rotate() == number
        await keys.retire(number - 1)
    assert await keys.rotate() == 0
    assert keys.newest().number == 0
    assert verify(keys.all(), sign(keys.newest(), DECIDED)) == DECIDED


async def test_the_newest_key_signs_though_the_clock_of_its_maker_is_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await loaded(database)
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    await keys.rotate()
    assert keys.newest().number == 2


async def test_lists_show_no_secret(database: Database) -> None:
    keys = await loaded(database)
    (row,) = keys.rows()
    assert (row.number, row.signs) == (1, True)
    assert keys.newest().secret.hex() not in repr(row)
    assert not any(isinstance(getattr(row, name), bytes) for name in row.__slots__)
