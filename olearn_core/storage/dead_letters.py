"""Dead letters: records that could not be learned, kept until somebody has looked at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select, update

from olearn_core.errors import NotFoundError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import dead_letters as letters

REASONS_COUNTED = 100


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """
    One dead letter.

    :param tenant: whose it is, None where that cannot be told
    :param pointer: JSON Pointer to the wrong field, empty where the whole is wrong
    :param payload_head: as much of the record as is kept
    :param payload_bytes: the record's length
    :param retried_at: Unix seconds of the last retry, None where there was none
    """

    id: int
    source: str
    topic: str
    partition: int
    offset: int
    tenant: str | None
    reason: str
    pointer: str
    payload_head: bytes
    payload_bytes: int
    payload_sha256: str
    created_at: float
    retried_at: float | None

    @property
    def is_whole(self) -> bool:
        """Whether all of the record is kept."""
        return len(self.payload_head) == self.payload_bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which letters are asked for.

    :param reason: stands somewhere in the reason or the wrong field's name, in capitals or not
    :param since: Unix seconds
    :param retried: whether they were retried, None for both
    :param tenant: whose, None for everybody's and those that nobody can be told of
    """

    reason: str | None = None
    topic: str | None = None
    since: float | None = None
    retried: bool | None = None
    tenant: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a letter has to fulfil."""
        found: list[ColumnElement[bool]] = []
        if self.reason is not None:
            columns = (letters.c.reason, letters.c.pointer)
            found.append(or_(*(c.icontains(self.reason, autoescape=True) for c in columns)))
        if self.topic is not None:
            found.append(letters.c.topic == self.topic)
        if self.since is not None:
            found.append(letters.c.created_at >= self.since)
        if self.retried is not None:
            found.append(letters.c.retried_at.is_not(None) == self.retried)
        if self.tenant is not None:
            found.append(letters.c.tenant == self.tenant)
        return found


@dataclass(frozen=True, slots=True)
class LetterCounts:
    """
    How many letters there are.

    :param by_reason: the most frequent reasons, those first
    """

    total: int
    not_retried: int
    by_reason: Mapping[str, int]


class DeadLetterStore:
    """Reads dead letters and notes retries; they are written in checkpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, wanted: Wanted, most: int, before: int | None = None
    ) -> list[StoredLetter]:
        """
        Return the newest letters first.

        :param before: id that all of them are below
        """
        query = select(letters).where(*wanted.conditions()).order_by(letters.c.id.desc())
        if before is not None:
            query = query.where(letters.c.id < before)
        async with self._database.read() as connection:
            return [_letter(row) for row in await connection.execute(query.limit(most))]

    async def between(
        self, partition: tuple[str, str, int], first: int, end: int, most: int
    ) -> list[StoredLetter]:
        """
        Return the last letters of a stretch of a log, oldest first.

        :param partition: source, topic and number
        :param first: offset of the stretch's first record; `end` is that behind its last one
        """
        source, topic, number = partition
        query = (
            select(letters)
            .where(
                letters.c.source == source,
                letters.c.topic == topic,
                letters.c.partition == number,
                letters.c.offset >= first,
                letters.c.offset < end,
            )
            .order_by(letters.c.offset.desc())
            .limit(most)
        )
        async with self._database.read() as connection:
            return [_letter(row) for row in await connection.execute(query)][::-1]

    async def counts(self, wanted: Wanted) -> LetterCounts:
        """Count the letters, in all and by reason."""
        conditions = wanted.conditions()
        count = func.count()
        totals = select(count, func.count(letters.c.retried_at)).where(*conditions)
        by_reason = (
            select(letters.c.reason, count)
            .where(*conditions)
            .group_by(letters.c.reason)
            .order_by(count.desc(), letters.c.reason)
            .limit(REASONS_COUNTED)
        )
        async with self._database.read() as connection:
            total, retried = (await connection.execute(totals)).one()
            reasons = (await connection.execute(by_reason)).all()
        return LetterCounts(total, total - retried, {row.reason: row[1] for row in reasons})

    async def get(self, letter_id: int, tenant: str | None = None) -> StoredLetter:
        """
        Return one letter.

        :param tenant: whose it must be, None for anybody's
        :raises NotFoundError: where there is none of this id (any more)
        """
        mine = Wanted(tenant=tenant).conditions()
        query = select(letters).where(letters.c.id == letter_id, *mine)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).first()
        if found is None:
            raise NotFoundError(f"there is no dead letter {letter_id}; old ones are deleted")
        return _letter(found)

    async def mark_retried(self, letter_id: int, at_seconds: float) -> None:
        """Write down that the log has the letter's outcome now."""
        async with self._database.write() as connection:
            await connection.execute(
                update(letters).where(letters.c.id == letter_id).values(retried_at=at_seconds)
            )


def _letter(row: Row[Any]) -> StoredLetter:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public, if underscored, name
    return StoredLetter(**{name: fields[name] for name in StoredLetter.__slots__})
