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
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import CorruptArtifactError, NotReadyError, OlearnError, StorageError
from olearn_core.learning.loading import apply
from olearn_core.models import Policy, Predictor
from olearn_core.statistics import Statistics, to_bytes
from olearn_core.storage.adjustments import AdjustmentKey, read_adjustments
from olearn_core.storage.database import Database
from olearn_core.storage.export import Exporter
from olearn_core.storage.leases import Leases
from olearn_core.storage.shards import ShardHeader, read_headers, read_sums
from olearn_core.storage.versions import ModelVersion, NewVersion, VersionStore
from olearn_core.times import came

logger = logging.getLogger(__name__)

Adjusted = Mapping[AdjustmentKey, Statistics]

LEASE = "model-versions"
LEASE_SECONDS = 30.0


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
        headers, tables, adjusted = await self._snapshot()
        offsets = _covered(headers)
        new = await asyncio.to_thread(self._encoded, tables, adjusted, offsets)
        saved = await self.store.save(new)
        artifacts = {version.model_type: version.artifact for version in new}
        try:
            await asyncio.to_thread(self._exporter.write, saved, artifacts)
        except OSError as error:
            raise StorageError(f"saved in the database, but not as files: {error}") from error
        return saved

    async def save_if_learned(self) -> list[ModelVersion]:
        """Save where committed state has moved since the last version, else do nothing."""
        async with self._database.read() as connection:
            offsets = _covered(await read_headers(connection))
        last = await self.store.active(self._policy.name)
        if last is not None and dict(last.covered_offsets) == offsets:
            return []
        return await self.save()

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
                except CorruptArtifactError as error:
                    version = await self._refuse(version, error, findings)
                else:
                    findings += self._exporter.check(version, artifact)
                    break
        for finding in findings:
            logger.error(finding)
        return findings

    async def _refuse(
        self, version: ModelVersion, error: CorruptArtifactError, findings: list[str]
    ) -> ModelVersion | None:
        previous = await self.store.refuse(version, str(error))
        instead = f"version {previous.version_number} is active" if previous else "none is active"
        name = f"{version.model_type} version {version.version_number}"
        findings.append(f"{name} is refused: {error}; {instead}")
        return previous

    async def _snapshot(self) -> tuple[list[ShardHeader], list[Statistics], Adjusted]:
        async with self._database.read() as connection:
            headers = await read_headers(connection)
            sums = [await read_sums(connection, header.id) for header in headers]
            adjusted = await read_adjustments(connection, self._columns)
        return headers, [apply(Statistics(self._columns), blobs) for blobs in sums], adjusted

    def _encoded(
        self,
        tables: Sequence[Statistics],
        adjusted: Adjusted,
        offsets: Mapping[str, int],
    ) -> list[NewVersion]:
        reference = time.time()
        total = Statistics(self._columns)
        for table in tables:
            total.merge(table)
        total = total.compact(reference)
        versions = []
        for predictor in self._predictors:
            own = total + _of_model(adjusted, predictor.name, self._columns)
            versions.append(_version(predictor, own, offsets, reference))
        return [*versions, self._policy_version(versions, total, offsets)]

    def _policy_version(
        self, versions: Sequence[NewVersion], total: Statistics, offsets: Mapping[str, int]
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
            "covered_offsets": dict(offsets),
        }
        return NewVersion(
            model_type=self._policy.name,
            artifact=json.dumps(content, sort_keys=True).encode(),
            metrics=_described(total),
            parameters=parameters,
            training_samples=total.totals().get("executions", 0),
            covered_offsets=offsets,
        )


def _covered(headers: Sequence[ShardHeader]) -> dict[str, int]:
    """Return the offset that each shard stands at, by source, topic and partition."""
    return {
        f"{h.source}/{h.topic}/{h.partition}": h.next_offset
        for h in headers
        if h.next_offset is not None
    }


def _of_model(adjusted: Adjusted, model: str, columns: Sequence[str]) -> Statistics:
    table = Statistics(columns)
    for (name, _), adjustment in adjusted.items():
        if name == model:
            table.merge(adjustment)
    return table


def _version(
    predictor: Predictor[Any], table: Statistics, offsets: Mapping[str, int], reference: float
) -> NewVersion:
    own = table.select([column.name for column in predictor.columns])
    parameters = predictor.options.model_dump(mode="json")
    return NewVersion(
        model_type=predictor.name,
        artifact=to_bytes(own, model_type=predictor.name, reference_at=reference),
        metrics=_described(own),
        parameters=parameters,
        training_samples=own.totals()[predictor.count.name],
        covered_offsets=offsets,
    )


def _described(table: Statistics) -> dict[str, Any]:
    cells = [cell for cell in table.cells if not cell.context]
    return {
        "agents": len({(cell.tenant, cell.agent) for cell in cells}),
        "task_types": len({(cell.tenant, cell.task_type) for cell in cells}),
        "sums": dict(table.totals()),
    }
