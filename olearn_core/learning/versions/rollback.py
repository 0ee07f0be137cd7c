"""
Rolling back: a signed adjustment for each model and tenant, and no worker is touched.

It brings what is committed to what a version holds; whatever is learned after
that snapshot stays on top. Undoing it adds the same adjustment, negated.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.errors import CorruptArtifactError, NotReadyError, OlearnError, StorageError
from olearn_core.learning.versions.changes import (
    Change,
    ChangePlanner,
    RollbackError,
    StaleError,
    loaded,
)
from olearn_core.learning.versions.versions import Committed, VersionKeeper
from olearn_core.models import Predictor
from olearn_core.statistics import Statistics, from_bytes
from olearn_core.storage.adjustments import AdjustmentStore, NewAdjustment
from olearn_core.storage.database import Database
from olearn_core.storage.versions import ModelVersion

logger = logging.getLogger(__name__)

TRIES = 5

Plan = Callable[[ChangePlanner], list[Change]]


@dataclass(frozen=True, slots=True)
class Rollback:
    """
    A rollback that was done.

    :param version_before: what the model was before; None where it has no versions
    :param version_after: what it is now; None where that could not be saved yet
    """

    rollback_id: int
    changes: Sequence[Change]
    version_before: int | None
    version_after: int | None


class Rollbacks:
    """
    Rolls models back, and undoes that.

    :param columns: names of the table's columns
    """

    def __init__(
        self,
        database: Database,
        versions: VersionKeeper,
        predictors: Sequence[Predictor[Any]],
        columns: Sequence[str],
    ) -> None:
        self._adjustments = AdjustmentStore(database)
        self._versions = versions
        self._predictors = {predictor.name: predictor for predictor in predictors}
        self._columns = tuple(columns)

    async def to_version(
        self,
        model_type: str,
        number: int,
        tenant: str | None,
        reason: str,
        seen: Collection[int] | None = None,
    ) -> Rollback:
        """
        Bring a model back to one of its versions; a policy's predictors to those it names.

        :param tenant: None for all tenants
        :param seen: active versions, 0 for none, of which the model must be at one, with no
            rollback since; None for any
        :raises StaleError: where it is not
        :raises NotFoundError: where there is no such version (any more), or tenant
        :raises RollbackError: where the version does not fit, or nothing would change
        :raises NotReadyError: where another process is busy with versions or adjustments
        """
        targets = await self._targets(await self._versions.store.numbered(model_type, number))

        def plan(planner: ChangePlanner) -> list[Change]:
            changes = planner.towards(targets, tenant)
            if not changes:
                raise RollbackError(
                    f"{model_type} holds just what its version {number} holds: nothing to change"
                )
            return changes

        asked = {"to_version": number, "tenant": tenant}
        return await self._done(model_type, plan, reason, asked, seen)

    async def undo(
        self,
        model_type: str,
        rollback_id: int,
        tenant: str | None,
        reason: str,
        seen: Collection[int] | None = None,
    ) -> Rollback:
        """
        Take a rollback back; what was learned since stays.

        :param tenant: None for all that it changed
        :param seen: as for `to_version`
        :raises StaleError: where the model is at none of these
        :raises NotFoundError: where there is no such rollback of this model and tenant
        :raises RollbackError: where it is undone already, or another one came after it
        :raises NotReadyError: where another process is busy with versions or adjustments
        """

        def plan(planner: ChangePlanner) -> list[Change]:
            return planner.undone(model_type, rollback_id, tenant)

        asked = {"undo": rollback_id, "tenant": tenant}
        return await self._done(model_type, plan, reason, asked, seen)

    async def _done(
        self,
        model_type: str,
        plan: Plan,
        reason: str,
        asked: Mapping[str, Any],
        seen: Collection[int] | None,
    ) -> Rollback:
        """Try with one snapshot after another, until nobody comes in between."""
        for _ in range(TRIES):
            committed = await self._versions.committed()
            if seen is not None:
                active = await self._versions.store.active(model_type)
                _refuse_stale(seen, active, committed.newest_adjustment)
            changes = await asyncio.to_thread(self._planned, plan, committed)
            before = await self._saved(model_type)
            number = committed.newest_rollback + 1
            details = {**asked, **_described(number, model_type, changes, reason)}
            new = [_new(change, number, reason) for change in changes]
            if await self._adjustments.roll_back(new, committed.newest_adjustment, details):
                logger.warning("rolled back: %s", details)
                return Rollback(number, changes, before, await self._saved_after(model_type))
        raise NotReadyError("other adjustments come in between all the time; try again")

    def _planned(self, plan: Plan, committed: Committed) -> list[Change]:
        return plan(ChangePlanner(committed, self._predictors, self._columns))

    async def _saved(self, model_type: str) -> int | None:
        """Save the current state as a version where it is not one; return its number."""
        try:
            await self._versions.save_if_learned()
        except StorageError as error:
            logger.warning("%s", error)  # files are for people, a rollback need not wait for them
        active = await self._versions.store.active(model_type)
        return active.version_number if active else None

    async def _saved_after(self, model_type: str) -> int | None:
        """The rollback is done: what fails now must not look as if it were not."""
        try:
            return await self._saved(model_type)
        except (OlearnError, SQLAlchemyError, OSError):
            logger.warning("no version was saved after a rollback yet", exc_info=True)
            return None

    async def _targets(self, version: ModelVersion) -> Mapping[str, Statistics]:
        """Return the table that each predictor has to come to."""
        artifact = await self._artifact(version)
        if version.model_type in self._predictors:
            return {version.model_type: self._checked(version, artifact)}
        targets = {}
        for name, sha256 in json.loads(artifact)["predictors"].items():
            part = await self._versions.store.hashed(name, sha256)
            targets[name] = self._checked(part, await self._artifact(part))
        return targets

    async def _artifact(self, version: ModelVersion) -> bytes:
        try:
            return await self._versions.store.artifact(version.id)
        except CorruptArtifactError as error:
            raise RollbackError(
                f"version {version.version_number} of {version.model_type} cannot be read"
                f" ({error}): choose another one"
            ) from error

    def _checked(self, version: ModelVersion, artifact: bytes) -> Statistics:
        """Return a version's table where the model still has its columns."""
        name, table = version.model_type, from_bytes(artifact)
        wanted = [column.name for column in loaded(self._predictors, name).columns]
        if set(table.columns) != set(wanted):
            raise RollbackError(
                f"version {version.version_number} of {name} has the columns"
                f" {', '.join(table.columns)}, but the model has {', '.join(wanted)} now:"
                " choose a newer version"
            )
        return table.select(wanted)


def _refuse_stale(
    seen: Collection[int], active: ModelVersion | None, newest_adjustment: int
) -> None:
    """The snapshot is what is written against, so what holds for it holds for the rollback."""
    number, contained = (active.version_number, active.newest_adjustment) if active else (0, 0)
    if contained != newest_adjustment:
        raise StaleError(
            f"there was a rollback since version {number} was saved: save, look at the model"
            " again, then decide"
        )
    if number not in seen:
        raise StaleError(f"the model is at version {number} now: look at it again, then decide")


def _new(change: Change, number: int, reason: str) -> NewAdjustment:
    return NewAdjustment(
        change.model_type, change.tenant, change.table, reason, number, change.undoes
    )


def _described(
    number: int, model_type: str, changes: Sequence[Change], reason: str
) -> dict[str, Any]:
    return {
        "rollback_id": number,
        "model_type": model_type,
        "models": sorted({change.model_type for change in changes}),
        "tenants": sorted({change.tenant for change in changes}),
        "reason": reason,
    }
