"""Tokens of a key that is new: its node is asked for, through the database, before refusing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import OperationalError

from olearn_core.sources.source import Record
from olearn_core.storage.database import Database
from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.tokens import NONCE_BYTES, Decided, sign
from tests.support.events import outcome
from tests.support.workers import NOW, WrittenLog, learning


def decided(number: int) -> Decided:
    nonce = number.to_bytes(NONCE_BYTES, "big")
    return Decided(nonce, 0.5, 1, int(NOW), bytes(8), "default", "code", "ada")


async def test_an_outcome_signed_with_a_key_made_meanwhile_is_joined(database: Database) -> None:
    mine, other = SigningKeys(database), SigningKeys(database)
    await mine.load()
    await other.load()

    async def prepare(records: Sequence[Record]) -> None:
        await mine.know(record.value for record in records)

    log = WrittenLog()
    async with learning(database, log, keys=Live(mine), prepare=prepare) as rig:
        await other.rotate()
        log.write(outcome(decision_id=sign(other.newest(), decided(1))))
        await rig.caught_up()
        assert rig.shard.counters()["joined"] == 1
        assert rig.shard.counters()["bad_tokens"] == 0


async def test_while_keys_cannot_be_asked_for_nothing_is_refused(database: Database) -> None:
    keys = SigningKeys(database)
    await keys.load()
    asked = 0

    async def prepare(_: Sequence[Record]) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise OperationalError("select", {}, OSError("away"))

    log = WrittenLog()
    async with learning(database, log, keys=Live(keys), prepare=prepare) as rig:
        log.write(*(outcome(decision_id=sign(keys.newest(), decided(i))) for i in range(5)))
        await rig.caught_up()
        assert asked >= 3
        assert rig.shard.counters()["joined"] == 5
        assert "database" not in rig.worker.problems


class Live(dict):
    """The keys as they are when a token is verified."""

    def __init__(self, keys: SigningKeys) -> None:
        super().__init__()
        self._keys = keys

    def get(self, number, default=None):
        return self._keys.all().get(number, default)

    def __bool__(self) -> bool:
        return True
