"""From an outcome's names to the rows of the table that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, isfinite, log10

import numpy as np

from olearn_core.config import LearningSettings
from olearn_core.errors import EventError
from olearn_core.events import NAME_LENGTH, Scalar, checked_name, read_context
from olearn_core.statistics import OTHER, Cell, IntArray, Statistics, place
from olearn_core.statistics.buckets import HOUR_SECONDS

KNOWN_GROUPS = 50_000
KNOWN_NUMBERS = 4_096
NO_ROW = -1
BINS = (1, 2, 5)

GroupKey = tuple[str, str, str, bytes, int]
CellsKey = tuple[str, str, str, tuple[str | None, ...], int]


def context_value(value: Scalar) -> str:
    """
    Return a context value as the name of its cell.

    Numbers fall into bins that grow as 1, 2, 5, 10, 20, …: `12` is `10+`.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return _bin(float(value))


@lru_cache(KNOWN_NUMBERS)
def _bin(value: float) -> str:
    if value == 0 or not isfinite(value):
        return "0"
    sign, size = ("-" if value < 0 else ""), abs(value)
    power = 10.0 ** floor(log10(size))
    lead = max(step for step in BINS if step * power <= size * (1 + 1e-12) or step == 1)
    return f"{sign}{lead * power:g}+"


def _name_of(value: Scalar) -> str | None:
    """Return the name of a context value's cell; one that is no name (empty, say) has none."""
    try:
        return checked_name(context_value(value)[:NAME_LENGTH], "/context")
    except EventError:
        return None


@dataclass(frozen=True, slots=True)
class Spelt:
    """
    What decides on cells, as outcomes spell it, in columns of equal length.

    :param contexts: raw JSON
    :param hours: of event time, since 1970
    """

    tenants: Sequence[str]
    task_types: Sequence[str]
    agents: Sequence[str]
    contexts: Sequence[bytes]
    hours: Sequence[int]

    def key(self, at: int) -> GroupKey:
        """Return one outcome's."""
        return (
            self.tenants[at],
            self.task_types[at],
            self.agents[at],
            self.contexts[at],
            self.hours[at],
        )


class CellFinder:
    """
    Finds the rows of a shard's table for groups of outcomes that share them.

    A group is tenant, task type, agent, context values and hour; most outcomes
    are spelt like one seen before, so the work here is done once for many.

    :param reference_seconds: the time that buckets are seen from; a finder
        serves one reference and one table
    """

    def __init__(
        self, table: Statistics, settings: LearningSettings, reference_seconds: float
    ) -> None:
        self._table = table
        self._settings = settings
        self._reference_seconds = reference_seconds
        self._name_ids: dict[tuple[str, ...], int] = {}
        self._context_ids: dict[bytes, int] = {}
        self._spelt: dict[tuple[int | None, int | None, int], int] = {}
        self._contexts: dict[bytes, tuple[str | None, ...]] = {}
        self._groups: dict[CellsKey, int] = {}
        self._rows = np.zeros((64, 1 + len(settings.context_keys)), dtype=np.int64)
        self._names = _KnownNames(table, settings)
        self._deeper_values = 0

    @property
    def is_full(self) -> bool:
        """Whether so many groups are known that a new finder should take over."""
        return len(self._groups) >= KNOWN_GROUPS

    def taken_deeper_values(self) -> int:
        """Return how many nested context values were left out since the last call."""
        taken, self._deeper_values = self._deeper_values, 0
        return taken

    def known(self, spelt: Spelt) -> list[int | None]:
        """Return the number of each group that was asked for before, None for others."""
        names = map(
            self._name_ids.get, zip(spelt.tenants, spelt.task_types, spelt.agents, strict=True)
        )
        contexts = map(self._context_ids.get, spelt.contexts)
        return list(map(self._spelt.get, zip(names, contexts, spelt.hours, strict=True)))

    def group(self, key: GroupKey) -> int:
        """
        Return the group's number.

        :raises EventError: where a name or the context is not acceptable
        """
        number = self._find(*key)
        if len(self._spelt) >= KNOWN_GROUPS:  # contexts may differ in what is no cell
            self._forget_spellings()
        name = self._name_ids.setdefault(key[:3], len(self._name_ids))
        context = self._context_ids.setdefault(key[3], len(self._context_ids))
        self._spelt[name, context, key[4]] = number
        return number

    def _forget_spellings(self) -> None:
        for kept in (self._spelt, self._name_ids, self._context_ids, self._contexts):
            kept.clear()

    def rows(self, groups: Sequence[int]) -> IntArray:
        """Return the rows of each group, shape (groups, width), -1 where there is none."""
        return self._rows.take(np.array(groups, dtype=np.int64), axis=0)

    def _find(self, tenant: str, task_type: str, agent: str, raw_context: bytes, hour: int) -> int:
        key = (
            checked_name(tenant, "/tenant_id"),
            checked_name(task_type, "/task_type"),
            checked_name(agent, "/agent_name"),
            self._context_values(raw_context),
            hour,
        )
        number = self._groups.get(key)
        if number is None:
            number = len(self._groups)
            if number == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._rows[number] = self._made(*key)
            self._groups[key] = number
        return number

    def _context_values(self, raw_context: bytes) -> tuple[str | None, ...]:
        values = self._contexts.get(raw_context)
        if values is None:
            context, deeper = read_context(raw_context)
            self._deeper_values += deeper
            values = self._contexts[raw_context] = tuple(
                _name_of(context[key]) if key in context else None
                for key in self._settings.context_keys
            )
        return values

    def _made(
        self, tenant: str, task_type: str, agent: str, values: Sequence[str | None], hour: int
    ) -> list[int]:
        task_type = self._names.known(tenant, "task_type", task_type)
        agent = self._names.known(tenant, "agent", agent)
        bucket = place(hour * HOUR_SECONDS, self._reference_seconds)
        rows = [self._table.row(Cell(tenant, task_type, agent, "", bucket))]
        for key, value in zip(self._settings.context_keys, values, strict=True):
            if value is None:
                rows.append(NO_ROW)
                continue
            name = f"{key}={self._names.known(tenant, key, value)}"
            rows.append(self._table.row(Cell(tenant, task_type, agent, name, bucket)))
        return rows


class _KnownNames:
    """Names that have cells of their own; beyond the cap of a kind they share one."""

    def __init__(self, table: Statistics, settings: LearningSettings) -> None:
        self._caps = dict.fromkeys(settings.context_keys, settings.most_context_values) | {
            "agent": settings.most_agents,
            "task_type": settings.most_task_types,
        }
        self._known: dict[tuple[str, str], set[str]] = {}
        for cell in table.cells:
            self._note(cell)

    def _note(self, cell: Cell) -> None:
        self._of(cell.tenant, "task_type").add(cell.task_type)
        self._of(cell.tenant, "agent").add(cell.agent)
        key, _, value = cell.context.partition("=")
        if key:
            self._of(cell.tenant, key).add(value)

    def _of(self, tenant: str, kind: str) -> set[str]:
        return self._known.setdefault((tenant, kind), set())

    def known(self, tenant: str, kind: str, name: str) -> str:
        """Return the name, or `__other__` where there are too many already."""
        names = self._of(tenant, kind)
        if name not in names:
            if len(names) >= self._caps[kind]:
                return OTHER
            names.add(name)
        return name
