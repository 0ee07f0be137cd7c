"""The keys that decisions are signed with, shared by all nodes through the database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from olearn_core.errors import NotFoundError, StorageError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import signing_keys
from olearn_core.tokens import KEY_NUMBERS, SigningKey, key_numbers

SECRET_BYTES = 32
MOST_KEYS = 2
SOONEST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class KeyRow:
    """
    A live key without its secret.

    :param signs: whether new decisions are signed with it
    """

    number: int
    created_at: float
    signs: bool


class SigningKeys:
    """All live keys; the newest signs, the others are good for what they have signed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[int, SigningKey] = {}
        self._created_at: dict[int, float] = {}
        self._newest = 0

    async def load(self) -> None:
        """Read the keys; make the first one where there is none."""
        await self.refresh()
        if not self._keys:
            await self._create(1, time.time())
            await self.refresh()

    async def refresh(self) -> None:
        """Read what other nodes, and operators, have made and retired."""
        columns = signing_keys.c
        query = select(columns.number, columns.secret, columns.created_at)
        query = query.order_by(columns.created_at, columns.number)
        async with self._database.read() as connection:
            rows = [tuple(row) for row in await connection.execute(query)]
        self._keys = {number: SigningKey(number, bytes(secret)) for number, secret, _ in rows}
        self._created_at = {number: created_at for number, _, created_at in rows}
        self._newest = rows[-1][0] if rows else 0

    async def know(self, values: Iterable[bytes | None]) -> None:
        """
        Make sure that no key of these raw outcomes is unknown only because it is new.

        :raises SQLAlchemyError: where that cannot be found out now
        """
        numbers = {number for value in values if value for number in key_numbers(value)}
        if not self._keys.keys() >= numbers:
            await self.refresh()

    async def rotate(self) -> int:
        """
        Make a new key, which signs from now on; return its number.

        :raises StorageError: where there are two keys already
        """
        await self.load()
        if len(self._keys) >= MOST_KEYS:
            older = min(self._created_at, key=self._created_at.__getitem__)
            raise StorageError(
                f"there are {len(self._keys)} keys already: retire the older one first with"
                f" `olearn signing-keys retire {older}`"
            )
        number = (self._newest + 1) % KEY_NUMBERS
        # Clocks of nodes differ, but the new key has to be the newest.
        created_at = max(time.time(), self._created_at[self._newest] + SOONEST_SECONDS)
        if not await self._create(number, created_at):
            raise StorageError(
                "somebody else has rotated the keys just now; see `olearn signing-keys list`"
            )
        await self.refresh()
        return number

    async def retire(self, number: int) -> None:
        """
        Delete a key: decisions signed with it are refused from now on.

        :raises NotFoundError: where there is no such key
        :raises StorageError: where it is the one that signs
        """
        await self.refresh()
        if number not in self._keys:
            raise NotFoundError(f"there is no key {number}; see `olearn signing-keys list`")
        if number == self._newest:
            raise StorageError(f"key {number} signs: run `olearn signing-keys rotate` first")
        async with self._database.write() as connection:
            await connection.execute(delete(signing_keys).where(signing_keys.c.number == number))
        await self.refresh()

    async def _create(self, number: int, created_at: float) -> bool:
        """Insert a key; False where another node has made it meanwhile."""
        key = {"number": number, "secret": secrets.token_bytes(SECRET_BYTES)}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(signing_keys).values(**key, created_at=created_at))
        except IntegrityError:
            return False
        return True

    def all(self) -> Mapping[int, SigningKey]:
        """Return the live keys by number."""
        return self._keys

    def newest(self) -> SigningKey:
        """Return the key to sign with."""
        return self._keys[self._newest]

    def rows(self) -> list[KeyRow]:
        """Return the live keys, the oldest first, without their secrets."""
        return [KeyRow(n, at, n == self._newest) for n, at in self._created_at.items()]
