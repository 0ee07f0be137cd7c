"""Model versions: complete, with the offsets they cover and a checksum."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import CorruptArtifactError, NotFoundError, NotReadyError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import learning_events, model_versions

ACTIVE = "active"
DEPRECATED = "deprecated"
ARCHIVED = "archived"
LISTED = 500


@dataclass(frozen=True, slots=True)
class NewVersion:
    """
    A version about to be saved.

    :param newest_adjustment: the last one that it contains, 0 for none
    :param parent_version_id: the version that was active when its sums were read
    """

    model_type: str
    artifact: bytes
    metrics: Mapping[str, Any]
    parameters: Mapping[str, Any]
    training_samples: int
    covered_offsets: Mapping[str, int]
    newest_adjustment: int
    parent_version_id: int | None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A saved version, without its artifact."""

    id: int
    model_type: str
    version_number: int
    status: str
    metrics: Mapping[str, Any]
    parameters: Mapping[str, Any]
    training_samples: int
    sha256: str
    covered_offsets: Mapping[str, int]
    newest_adjustment: int
    parent_version_id: int | None
    created_at: float


_COLUMNS = [model_versions.c[name] for name in ModelVersion.__slots__]


class VersionStore:
    """Saved versions, newest first; one of each model is active."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, versions: Sequence[NewVersion]) -> list[ModelVersion]:
        """
        Save versions in one transaction; they become active, their parents deprecated.

        :raises NotReadyError: where others were saved since their sums were read;
            they may know more, so nothing is saved
        """
        now = time.time()
        try:
            async with self._database.write() as connection:
                ids = [await _insert(connection, version, now) for version in versions]
                return await _found(connection, model_versions.c.id.in_(ids))
        except IntegrityError as error:  # the very first version, saved by two at once
            raise _overtaken() from error

    async def all(self, model_type: str | None = None) -> list[ModelVersion]:
        """Return the newest versions of a model, or of all; at most 500."""
        query = select(*_COLUMNS).order_by(model_versions.c.id.desc()).limit(LISTED)
        if model_type is not None:
            query = query.where(model_versions.c.model_type == model_type)
        async with self._database.read() as connection:
            return [ModelVersion(*row) for row in await connection.execute(query)]

    async def after(self, version_id: int) -> list[ModelVersion]:
        """Return the versions that were saved after one, oldest first."""
        async with self._database.read() as connection:
            return await _found(connection, model_versions.c.id > version_id)

    async def active(self, model_type: str) -> ModelVersion | None:
        """Return a model's active version."""
        return await self._first(
            model_versions.c.model_type == model_type, model_versions.c.status == ACTIVE
        )

    async def numbered(self, model_type: str, number: int) -> ModelVersion:
        """
        Return a model's version by its number.

        :raises NotFoundError: where there is none (any more)
        """
        version = await self._first(
            model_versions.c.model_type == model_type, model_versions.c.version_number == number
        )
        if version is None:
            raise NotFoundError(f"there is no version {number} of {model_type} (any more)")
        return version

    async def hashed(self, model_type: str, sha256: str) -> ModelVersion:
        """
        Return a model's version by the sha256 of its artifact.

        :raises NotFoundError: where there is none (any more)
        """
        version = await self._first(
            model_versions.c.model_type == model_type, model_versions.c.sha256 == sha256
        )
        if version is None:
            raise NotFoundError(
                f"there is no version of {model_type} with sha256 {sha256[:12]}… (any more)"
            )
        return version

    async def _first(self, *conditions: ColumnElement[bool]) -> ModelVersion | None:
        async with self._database.read() as connection:
            return next(iter(await _found(connection, *conditions)), None)

    async def artifact(self, version_id: int) -> bytes:
        """
        Return a version's bytes.

        :raises CorruptArtifactError: where they do not match their sha256
        :raises NotFoundError: where they are past their retention
        """
        columns = (model_versions.c.artifact, model_versions.c.sha256)
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(*columns).where(model_versions.c.id == version_id))
            ).first()
        if row is None:
            raise NotFoundError(f"there is no model version with id {version_id}")
        artifact = bytes(row.artifact)
        if not artifact:
            raise NotFoundError(
                f"the sums of model version {version_id} are past their retention"
                " ([retention] version_days): choose a newer version"
            )
        if hashlib.sha256(artifact).hexdigest() != row.sha256:
            raise CorruptArtifactError(f"model version {version_id} does not match its sha256")
        return artifact

    async def refuse(self, version: ModelVersion, reason: str) -> ModelVersion | None:
        """Archive a version that cannot be used; return the one before it, now active."""
        older = [v for v in await self.all(version.model_type) if v.id < version.id]
        previous = next((v for v in older if v.status == DEPRECATED), None)
        async with self._database.write() as connection:
            await _set_status(connection, version.id, ARCHIVED)
            if previous is not None:
                await _set_status(connection, previous.id, ACTIVE)
            await _note(connection, "version_refused", version.version_number, reason)
        return previous


async def read_active(connection: AsyncConnection) -> dict[str, int]:
    """Return the id of each model's active version, as this connection's snapshot has them."""
    query = select(model_versions.c.model_type, model_versions.c.id)
    rows = await connection.execute(query.where(model_versions.c.status == ACTIVE))
    return {str(model_type): int(version_id) for model_type, version_id in rows}


async def _found(
    connection: AsyncConnection, *conditions: ColumnElement[bool]
) -> list[ModelVersion]:
    query = select(*_COLUMNS).where(*conditions).order_by(model_versions.c.id)
    return [ModelVersion(*row) for row in await connection.execute(query)]


async def _insert(connection: AsyncConnection, version: NewVersion, now: float) -> int:
    same = model_versions.c.model_type == version.model_type
    await _take_over(connection, same, version.parent_version_id)
    newest = await connection.execute(select(func.max(model_versions.c.version_number)).where(same))
    number = int(newest.scalar() or 0) + 1
    row = {name: getattr(version, name) for name in NewVersion.__slots__}
    inserted = await connection.execute(
        insert(model_versions)
        .values(
            **row,
            version_number=number,
            status=ACTIVE,
            sha256=hashlib.sha256(version.artifact).hexdigest(),
            created_at=now,
        )
        .returning(model_versions.c.id)
    )
    version_id = int(inserted.scalar_one())
    await _note(connection, "version", number, version.model_type)
    return version_id


async def _take_over(
    connection: AsyncConnection, same: ColumnElement[bool], parent: int | None
) -> None:
    """Deprecate the active version, which has to be the one that the new one continues."""
    deprecated = await connection.execute(
        update(model_versions)
        .where(same, model_versions.c.status == ACTIVE)
        .values(status=DEPRECATED)
        .returning(model_versions.c.id)
    )
    if list(deprecated.scalars()) != ([] if parent is None else [parent]):
        raise _overtaken()


def _overtaken() -> NotReadyError:
    return NotReadyError("another process has saved versions just now; try again")


async def _set_status(connection: AsyncConnection, version_id: int, status: str) -> None:
    await connection.execute(
        update(model_versions).where(model_versions.c.id == version_id).values(status=status)
    )


async def _note(connection: AsyncConnection, kind: str, number: int, what: str) -> None:
    row = {"kind": kind, "version": number, "details": {"about": what}}
    await connection.execute(insert(learning_events).values(**row, created_at=time.time()))
