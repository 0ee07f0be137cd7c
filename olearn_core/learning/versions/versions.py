"""
Saving versions: one complete version by one process, from committed state.

Learners go on meanwhile: everything is read in one snapshot of the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from olearn_core.errors import (
    CorruptArtifactError,
    NotFoundError,
    NotReadyError,
    OlearnError,
    StorageError,
)
from olearn_core.learning.shards.loading import apply
from olearn_core.models import Policy, Predictor
from olearn_core.statistics import Statistics, to_bytes
from olearn_core.statistics.codec import canonical
from olearn_core.storage.adjustments import StoredAdjustment, read_adjustments, read_newest
from olearn_core.storage.database import Database
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.shards import ShardHeader, StoredSums, read_headers, read_sums
from olearn_core.storage.versions import ModelVersion, NewVersion, VersionStore, read_active
from olearn_core.times import came

logger = logging.getLogger(__name__)

LEASE = "model-versions"
LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Committed:
    """
    What the database holds at one moment.

    :param offsets: where each shard stands, by source, topic and partition
    :param adjustments: all that there are, oldest first
    :param active: id of each model's active version
    """

    offsets: Mapping[str, int]
    shards: Sequence[StoredSums]
    adjustments: Sequence[StoredAdjustment]
    active: Mapping[str, int]

    @property
    def newest_adjustment(self) -> int:
        """The id of the last adjustment, 0 for none."""
        return max((adjustment.id for adjustment in self.adjustments), default=0)

    @property
    def newest_rollback(self) -> int:
        """The number of the last rollback, 0 for none."""
        return max((adjustment.rollback_id or 0 for adjustment in self.adjustments), default=0)

    def total(self, columns: Sequence[str], reference_seconds: float) -> Statistics:
        """Return the sum of all shards, compacted."""
        total = Statistics(columns)
        for sums in self.shards:
            total.merge(apply(Statistics(columns), sums))
        return total.compact(reference_seconds)

    def of_model(
        self, predictor: Predictor[Any], total: Statistics, reference_seconds: float
    ) -> Statistics:
        """Return a model's own table: its columns of the total, and its adjustments."""
        own = total.select([column.name for column in predictor.columns])
        for adjustment in self.adjustments:
            if adjustment.model_type == predictor.name:
                own.merge(adjustment.table.compact(reference_seconds))
        return own


class VersionKeeper:
    """Saves, exports and checks the versions of all models."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        predictors: Sequence[Predictor[Any]],
        policy: Policy[Any],
        columns: Sequence[str],
        exporter: Exporter,
    ) -> None:
        self._database = database
        self._leases = leases
        self._predictors = predictors
        self._policy = policy
        self._columns = tuple(columns)
        self._exporter = exporter
        self._saving = asyncio.Lock()
        self.store = VersionStore(database)

    async def save(self) -> list[ModelVersion]:
        """
        Save a version of every model.

        :raises NotReadyError: where another process is saving just now
        """
        async with self._saving:  # the lease keeps other processes out, not ourselves
            if not await self._leases.hold(LEASE, LEASE_SECONDS):
                raise NotReadyError("another process is saving versions just now; try again")
            try:
                return await self._save()
            finally:
                await self._leases.release(LEASE)

    async def _save(self) -> list[ModelVersion]:
        new = await asyncio.to_thread(self._encoded, await self.committed())
        saved = await self.store.save(new)
        artifacts = {version.model_type: version.artifact for version in new}
        try:
            await asyncio.to_thread(self._exporter.write, saved, artifacts)
        except OSError as error:
            raise StorageError(f"saved in the database, but not as files: {error}") from error
        return saved

    async def committed(self) -> Committed:
        """Read everything that versions are made of, in one snapshot."""
        async with self._database.read() as connection:
            headers = await _learned(connection)
            return Committed(
                offsets=covered_offsets(headers),
                shards=[await read_sums(connection, header.id) for header in headers],
                adjustments=await read_adjustments(connection),
                active=await read_active(connection),
            )

    async def save_if_learned(self) -> list[ModelVersion]:
        """Save where committed state has moved since the last version, else do nothing."""
        async with self._database.read() as connection:
            offsets = covered_offsets(await _learned(connection))
            newest = await read_newest(connection)
        last = await self.store.active(self._policy.name)
        if last is None or (last.covered_offsets, last.newest_adjustment) != (offsets, newest):
            return await self.save()
        return []

    async def save_until(self, stop: asyncio.Event, seconds: float) -> None:
        """Save at this interval, whoever of all processes comes first."""
        while not await came(stop, seconds):
            try:
                await self.save_if_learned()
            except NotReadyError:
                logger.debug("another process saves")
            except (OlearnError, SQLAlchemyError, OSError):
                logger.exception("versions were not saved; the next interval tries again")

    async def check(self) -> list[str]:
        """
        Refuse active versions that do not match their checksum; return what was found.

        The newest good version before them becomes active, and exported files
        that have changed are written anew.
        """
        findings: list[str] = []
        for model_type in [*(p.name for p in self._predictors), self._policy.name]:
            version = await self.store.active(model_type)
            while version is not None:
                try:
                    artifact = await self.store.artifact(version.id)
                except (CorruptArtifactError, NotFoundError) as error:
                    version = await self._refuse(version, error, findings)
                else:
                    known = [v.sha256 for v in await self.store.all(model_type)]
                    findings += self._exporter.check(version, artifact, known)
                    break
        for finding in findings:
            logger.error(finding)
        return findings

    async def _refuse(
        self, version: ModelVersion, error: OlearnError, findings: list[str]
    ) -> ModelVersion | None:
        previous = await self.store.refuse(version, str(error))
        instead = f"version {previous.version_number} is active" if previous else "none is active"
        name = f"{version.model_type} version {version.version_number}"
        findings.append(f"{name} is refused: {error}; {instead}")
        return previous

    def _encoded(self, committed: Committed) -> list[NewVersion]:
        reference = time.time()
        total = committed.total(self._columns, reference)
        versions = [
            _version(predictor, committed, total, reference) for predictor in self._predictors
        ]
        return [*versions, self._policy_version(versions, committed, total)]

    def _policy_version(
        self, versions: Sequence[NewVersion], committed: Committed, total: Statistics
    ) -> NewVersion:
        """A policy owns no sums: its version is those of its predictors and its options."""
        parameters = self._policy.options.model_dump(mode="json")
        content = {
            "policy": self._policy.name,
            "options": parameters,
            "predictors": {
                version.model_type: hashlib.sha256(version.artifact).hexdigest()
                for version in versions
            },
            "covered_offsets": dict(committed.offsets),
        }
        return NewVersion(
            model_type=self._policy.name,
            artifact=json.dumps(content, sort_keys=True).encode(),
            metrics=_described(total),
            parameters=parameters,
            training_samples=total.totals().get("executions", 0),
            covered_offsets=committed.offsets,
            newest_adjustment=committed.newest_adjustment,
            parent_version_id=committed.active.get(self._policy.name),
        )


async def _learned(connection: AsyncConnection) -> list[ShardHeader]:
    """Return the shards that models are made of: decisions are counted beside them."""
    return [h for h in await read_headers(connection) if not h.counts_decisions]


def covered_offsets(headers: Sequence[ShardHeader]) -> dict[str, int]:
    """Return the offset that each shard stands at, by source, topic and partition."""
    return {
        f"{h.source}/{h.topic}/{h.partition}": h.next_offset
        for h in headers
        if h.next_offset is not None
    }


def _version(
    predictor: Predictor[Any], committed: Committed, total: Statistics, reference: float
) -> NewVersion:
    own = canonical(committed.of_model(predictor, total, reference))
    parameters = predictor.options.model_dump(mode="json")
    return NewVersion(
        model_type=predictor.name,
        artifact=to_bytes(own, model_type=predictor.name, reference_at=reference),
        metrics=_described(own),
        parameters=parameters,
        training_samples=own.totals()[predictor.count.name],
        covered_offsets=committed.offsets,
        newest_adjustment=committed.newest_adjustment,
        parent_version_id=committed.active.get(predictor.name),
    )


def _described(table: Statistics) -> dict[str, Any]:
    cells = [cell for cell in table.cells if not cell.context]
    return {
        "agents": len({(cell.tenant, cell.agent) for cell in cells}),
        "task_types": len({(cell.tenant, cell.task_type) for cell in cells}),
        "sums": dict(table.totals()),
    }
