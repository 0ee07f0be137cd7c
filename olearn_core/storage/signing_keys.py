"""The keys that decisions are signed with, shared by all nodes through the database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from olearn_core.storage.database import Database
from olearn_core.storage.tables import signing_keys
from olearn_core.tokens import SigningKey

SECRET_BYTES = 32


class SigningKeys:
    """All live keys; the newest signs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[int, SigningKey] = {}

    async def load(self) -> None:
        """Read the keys; make the first one where there is none."""
        await self._read()
        if not self._keys:
            await self._create()
            await self._read()

    async def _read(self) -> None:
        query = select(signing_keys.c.number, signing_keys.c.secret).order_by(signing_keys.c.number)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            self._keys = {number: SigningKey(number, bytes(secret)) for number, secret in rows}

    async def _create(self) -> None:
        key = {"number": 1, "secret": secrets.token_bytes(SECRET_BYTES)}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(signing_keys).values(**key, created_at=time.time()))
        except IntegrityError:
            return  # another node made it meanwhile

    def all(self) -> Mapping[int, SigningKey]:
        """Return the live keys by number."""
        return self._keys

    def newest(self) -> SigningKey:
        """Return the key to sign with."""
        return self._keys[max(self._keys)]
