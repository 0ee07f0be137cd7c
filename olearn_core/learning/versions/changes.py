"""What a rollback changes: computed from one snapshot, before anything is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olearn_core.errors import NotFoundError, OlearnError
from olearn_core.learning.versions.versions import Committed
from olearn_core.models import Predictor
from olearn_core.statistics import Statistics
from olearn_core.statistics.codec import canonical
from olearn_core.storage.adjustments import StoredAdjustment


class RollbackError(OlearnError):
    """The rollback cannot be done; nothing was changed."""


class StaleError(OlearnError):
    """The model is not as the caller has seen it; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """
    What a rollback does to one model's view of one tenant.

    :param table: what is added
    :param samples_before: events that the model counted
    :param undoes: the rollback that this takes back, None for none
    """

    model_type: str
    tenant: str
    table: Statistics
    samples_before: int
    samples_after: int
    undoes: int | None = None


class ChangePlanner:
    """
    Compares what is committed with what it should become.

    Everything is compacted at one time, so that sums of the same events meet in
    the same bucket.
    """

    def __init__(
        self,
        committed: Committed,
        predictors: Mapping[str, Predictor[Any]],
        columns: Sequence[str],
    ) -> None:
        self._committed = committed
        self._predictors = predictors
        self._now = time.time()
        self._total = committed.total(columns, self._now)
        self._own: dict[str, Statistics] = {}

    def towards(self, targets: Mapping[str, Statistics], tenant: str | None) -> list[Change]:
        """
        Return what brings models to their targets; nothing for those that are there.

        :param tenant: None for all tenants
        :raises NotFoundError: where the tenant is in none of the tables
        """
        tables = [*targets.values(), *map(self._of, targets)]
        known = {cell.tenant for table in tables for cell in table.cells}
        if tenant is not None and tenant not in known:
            raise NotFoundError(
                f"nothing was learned of a tenant {tenant!r}, now or in that version"
            )
        changes = (change for name in targets for change in self._differences(name, targets[name]))
        return [change for change in changes if tenant in (None, change.tenant)]

    def _differences(self, name: str, target: Statistics) -> Iterator[Change]:
        difference = canonical(target.compact(self._now) + self._of(name).negated())
        for tenant in dict.fromkeys(cell.tenant for cell in difference.cells):
            yield self._change(name, tenant, _of_tenant(difference, tenant))

    def undone(self, model_type: str, rollback_id: int, tenant: str | None) -> list[Change]:
        """
        Return what takes a rollback back.

        :param model_type: a predictor for its part of the rollback, a policy for all of it
        :param tenant: None for all tenants
        :raises NotFoundError: where there is no such rollback
        :raises RollbackError: where it does not stand, or is not the last one that does
        """
        done = [
            adjustment
            for adjustment in self._committed.adjustments
            if adjustment.rollback_id == rollback_id
            and (model_type == adjustment.model_type or model_type not in self._predictors)
            and tenant in (None, adjustment.tenant)
        ]
        if not done:
            of_tenant = "" if tenant is None else f" for tenant {tenant!r}"
            raise NotFoundError(f"there is no rollback {rollback_id} of {model_type}{of_tenant}")
        return [self._taken_back(adjustment) for adjustment in done]

    def _taken_back(self, adjustment: StoredAdjustment) -> Change:
        name, tenant = adjustment.model_type, adjustment.tenant
        _refuse_unless_last(adjustment, self._committed.adjustments)
        table = adjustment.table.negated()
        return self._change(name, tenant, table, undoes=adjustment.rollback_id)

    def _change(
        self, name: str, tenant: str, table: Statistics, undoes: int | None = None
    ) -> Change:
        before = _of_tenant(self._of(name), tenant).totals()
        count = self._predictors[name].count.name
        after = before[count] + table.totals().get(count, 0)
        return Change(name, tenant, table, before[count], after, undoes)

    def _of(self, name: str) -> Statistics:
        """Return a model's own table."""
        if name not in self._own:
            predictor = loaded(self._predictors, name)
            self._own[name] = self._committed.of_model(predictor, self._total, self._now)
        return self._own[name]


def loaded(predictors: Mapping[str, Predictor[Any]], name: str) -> Predictor[Any]:
    """
    Return a predictor by its name.

    :raises RollbackError: where its plugin is not there any more
    """
    if name not in predictors:
        raise RollbackError(f"the model {name} is not loaded: enable its plugin first")
    return predictors[name]


def _of_tenant(table: Statistics, tenant: str) -> Statistics:
    return table.take([row for row, cell in enumerate(table.cells) if cell.tenant == tenant])


def _refuse_unless_last(
    adjustment: StoredAdjustment, adjustments: Sequence[StoredAdjustment]
) -> None:
    """
    Refuse what an editor would not undo either: only the last step that stands.

    A later rollback was computed with this one in force; without it, it would be wrong.
    """
    ours, later = adjustment.rollback_id, _later(adjustment, adjustments)
    standing = _standing(later)
    if not standing:
        return
    where = f"of {adjustment.model_type} for tenant {adjustment.tenant!r}"
    for number in standing:
        if later[number] == ours:
            raise RollbackError(
                f"rollback {ours} {where} is undone already, by rollback {number}:"
                f" undo {number} to apply it again"
            )
    raise RollbackError(
        f"rollback {standing[0]} {where} came after rollback {ours}: undo {standing[0]} first"
    )


def _later(
    adjustment: StoredAdjustment, adjustments: Sequence[StoredAdjustment]
) -> dict[int, int | None]:
    """Return what later rollbacks of the same model and tenant undo, by their number."""
    key = (adjustment.model_type, adjustment.tenant)
    return {
        other.rollback_id: other.undoes
        for other in adjustments
        if (other.model_type, other.tenant) == key
        and other.rollback_id is not None
        and other.rollback_id > (adjustment.rollback_id or 0)
    }


def _standing(later: Mapping[int, int | None]) -> list[int]:
    """Return the rollbacks among these that no other one of them undoes, newest first."""
    gone: set[int] = set()
    standing = []
    for number in sorted(later, reverse=True):
        undoes = later[number]
        if number in gone:
            continue
        if undoes is not None and undoes in later:
            gone.add(undoes)
        else:
            standing.append(number)
    return standing
