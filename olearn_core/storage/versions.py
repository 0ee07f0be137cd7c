"""Model versions: complete, with the offsets they cover and a checksum."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import CorruptArtifactError, NotFoundError
from olearn_core.storage.database import Database
from olearn_core.storage.tables import learning_events, model_versions

ACTIVE = "active"
DEPRECATED = "deprecated"
ARCHIVED = "archived"
LISTED = 500


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version about to be saved."""

    model_type: str
    artifact: bytes
    metrics: Mapping[str, Any]
    parameters: Mapping[str, Any]
    training_samples: int
    covered_offsets: Mapping[str, int]


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
    parent_version_id: int | None
    created_at: float


_COLUMNS = [model_versions.c[name] for name in ModelVersion.__slots__]


class VersionStore:
    """Saved versions, newest first; one of each model is active."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, versions: Sequence[NewVersion]) -> list[ModelVersion]:
        """Save versions in one transaction; they become active, their parents deprecated."""
        async with self._database.write() as connection:
            for version in versions:
                await _insert(connection, version)
        saved = [await self.active(version.model_type) for version in versions]
        return [version for version in saved if version is not None]

    async def all(self, model_type: str | None = None) -> list[ModelVersion]:
        """Return the newest versions of a model, or of all; at most 500."""
        query = select(*_COLUMNS).order_by(model_versions.c.id.desc()).limit(LISTED)
        if model_type is not None:
            query = query.where(model_versions.c.model_type == model_type)
        async with self._database.read() as connection:
            return [ModelVersion(*row) for row in await connection.execute(query)]

    async def active(self, model_type: str) -> ModelVersion | None:
        """Return a model's active version."""
        query = select(*_COLUMNS).where(
            model_versions.c.model_type == model_type, model_versions.c.status == ACTIVE
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else ModelVersion(*row)

    async def artifact(self, version_id: int) -> bytes:
        """
        Return a version's bytes.

        :raises CorruptArtifactError: where they do not match their sha256
        """
        columns = (model_versions.c.artifact, model_versions.c.sha256)
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(*columns).where(model_versions.c.id == version_id))
            ).first()
        if row is None:
            raise NotFoundError(f"there is no model version with id {version_id}")
        artifact = bytes(row.artifact)
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


async def _insert(connection: AsyncConnection, version: NewVersion) -> None:
    same = model_versions.c.model_type == version.model_type
    newest = await connection.execute(select(func.max(model_versions.c.version_number)).where(same))
    number = int(newest.scalar() or 0) + 1
    active = same & (model_versions.c.status == ACTIVE)
    parent = (await connection.execute(select(model_versions.c.id).where(active))).scalar()
    await connection.execute(update(model_versions).where(active).values(status=DEPRECATED))
    await connection.execute(
        insert(model_versions).values(
            model_type=version.model_type,
            version_number=number,
            status=ACTIVE,
            metrics=dict(version.metrics),
            parameters=dict(version.parameters),
            training_samples=version.training_samples,
            artifact=version.artifact,
            sha256=hashlib.sha256(version.artifact).hexdigest(),
            covered_offsets=dict(version.covered_offsets),
            parent_version_id=parent,
            created_at=time.time(),
        )
    )
    await _note(connection, "version", number, version.model_type)


async def _set_status(connection: AsyncConnection, version_id: int, status: str) -> None:
    await connection.execute(
        update(model_versions).where(model_versions.c.id == version_id).values(status=status)
    )


async def _note(connection: AsyncConnection, kind: str, number: int, what: str) -> None:
    row = {"kind": kind, "version": number, "details": {"about": what}}
    await connection.execute(insert(learning_events).values(**row, created_at=time.time()))
