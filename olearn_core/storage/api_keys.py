"""API keys without their secrets, and the pepper of their digests; all nodes share them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from olearn_core.errors import NotFoundError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import api_keys, key_peppers

PEPPER_BYTES = 32
PEPPER_NUMBER = 1


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """
    One API key as it is kept. Times are Unix seconds, None for never.

    :param digest: HMAC-SHA256 of the key's text
    :param label: what it is for, in its maker's words
    """

    id: str
    digest: bytes
    tenant: str
    scopes: tuple[str, ...]
    label: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


class ApiKeyStore:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pepper(self) -> bytes:
        """Return the pepper; make it where there is none."""
        if (found := await self._pepper()) is not None:
            return found
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(key_peppers).values(**_new_pepper()))
        except IntegrityError:
            pass  # another node has made it meanwhile: that one counts
        return await self._pepper() or b""

    async def has_pepper(self) -> bool:
        """Tell whether this database has had keys before."""
        return await self._pepper() is not None

    async def begin(self, pepper: bytes, first: ApiKeyRow) -> bool:
        """Store the pepper and the first key together; False where somebody was before us."""
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(key_peppers).values(**_new_pepper(pepper)))
                await connection.execute(insert(api_keys).values(**asdict(first)))
        except IntegrityError:
            return False
        return True

    async def add(self, row: ApiKeyRow) -> None:
        """Store a new key."""
        async with self._database.write() as connection:
            await connection.execute(insert(api_keys).values(**asdict(row)))

    async def all(self) -> list[ApiKeyRow]:
        """Return every key, the oldest first."""
        return await self._rows(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))

    async def some(self, ids: Iterable[str]) -> list[ApiKeyRow]:
        """Return those of these keys that there are."""
        return await self._rows(select(api_keys).where(api_keys.c.id.in_(list(ids))))

    async def revoke(self, key_id: str, at_seconds: float) -> None:
        """
        End a key; one that has ended already stays as it is.

        :raises NotFoundError: where there is no such key
        """
        if not await self.some([key_id]):
            raise NotFoundError(f"there is no API key {key_id}; see `olearn keys list`")
        change = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(change.values(revoked_at=at_seconds))

    async def note_used(self, used_at: Mapping[str, float], least_seconds: float) -> None:
        """
        Write down when keys were last used.

        :param least_seconds: what was noted, by any node, not longer ago than this stays
        """
        last = api_keys.c.last_used_at
        async with self._database.write() as connection:
            for key_id, at_seconds in sorted(used_at.items()):
                is_old = last.is_(None) | (last <= at_seconds - least_seconds)
                change = update(api_keys).where(api_keys.c.id == key_id, is_old)
                await connection.execute(change.values(last_used_at=at_seconds))

    async def _pepper(self) -> bytes | None:
        query = select(key_peppers.c.secret).where(key_peppers.c.number == PEPPER_NUMBER)
        async with self._database.read() as connection:
            secret = (await connection.execute(query)).scalar()
        return None if secret is None else bytes(secret)

    async def _rows(self, query: Select[Any]) -> list[ApiKeyRow]:
        async with self._database.read() as connection:
            return [_row(row) for row in await connection.execute(query)]


def new_pepper() -> bytes:
    """Return a secret for keyed digests."""
    return secrets.token_bytes(PEPPER_BYTES)


def _new_pepper(secret: bytes | None = None) -> dict[str, Any]:
    secret = secret or new_pepper()
    return {"number": PEPPER_NUMBER, "secret": secret, "created_at": time.time()}


def _row(row: Row[Any]) -> ApiKeyRow:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public, if underscored, name
    fields |= {"digest": bytes(fields["digest"]), "scopes": tuple(fields["scopes"])}
    return ApiKeyRow(**fields)
