"""From an outcome's names to the rows of the table that it touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, isfinite, log10

import numpy as np

from olearn_core.config import DECISION_KEY, SOURCE_KEY, LearningSettings
from olearn_core.errors import EventError
from olearn_core.events import NAME_LENGTH, Scalar, checked_name, read_context
from olearn_core.statistics import OTHER, Cell, IntArray, Statistics, place
from olearn_core.statistics.buckets import HOUR_SECONDS
from olearn_core.tokens import Decided

KNOWN_GROUPS = 50_000
ANONYMOUS = "__none__"
SEPARATOR = b"\0"
KNOWN_NUMBERS = 4_096
NO_ROW = -1
BINS = (1, 2, 5)
JOINED_CONTEXT = f"{DECISION_KEY}=joined"

GroupKey = tuple[str, str, str, bytes, int]
Counts = Callable[[], Counter[str]]
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

    :param contexts: raw JSON; where sources are told apart, behind the source and a zero byte
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
        self._keys = _cell_keys(settings)
        self._reference_seconds = reference_seconds
        self._name_ids: dict[tuple[str, ...], int] = {}
        self._context_ids: dict[bytes, int] = {}
        self._spelt: dict[tuple[int | None, int | None, int], int] = {}
        self._contexts: dict[bytes, tuple[str | None, ...]] = {}
        self._groups: dict[CellsKey, int] = {}
        self._joined: dict[tuple[str, str, str, int], int] = {}
        self._rows = np.zeros((64, 1 + len(self._keys)), dtype=np.int64)
        self._names = _KnownNames(table, settings, lambda: self._counts)
        self._counts: Counter[str] = Counter()

    @property
    def by_source(self) -> bool:
        """Whether outcomes are told apart by who sent them."""
        return self._settings.tells_sources_apart

    @property
    def is_full(self) -> bool:
        """Whether so many groups are known that a new finder should take over."""
        return len(self._groups) >= KNOWN_GROUPS

    def taken_counts(self) -> Counter[str]:
        """Return what was left out or folded since the last call, by name."""
        taken, self._counts = self._counts, Counter()
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

    def joined_row(self, decided: Decided) -> int:
        """
        Return the row that counts a decision as joined: its own agent's, in its own hour.

        It lies apart from the rows of outcomes, for the agent need not have one.
        """
        hour = decided.issued_at_seconds // HOUR_SECONDS
        key = (decided.tenant, decided.task_type, decided.agent, hour)
        row = self._joined.get(key)
        if row is None:
            if len(self._joined) >= KNOWN_GROUPS:
                self._joined.clear()
            row = self._joined[key] = self._made_joined(*key)
        return row

    def _made_joined(self, tenant: str, task_type: str, agent: str, hour: int) -> int:
        names = self._names
        tenant = names.known("", "tenant", tenant)
        task_type = names.known(tenant, "task_type", task_type)
        agent = names.known(tenant, "agent", agent)
        bucket = place(hour * HOUR_SECONDS, self._reference_seconds)
        return self._table.row(self._cell(Cell(tenant, task_type, agent, JOINED_CONTEXT, bucket)))

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
            source, _, raw = raw_context.rpartition(SEPARATOR)  # there is none in JSON
            context, deeper = read_context(raw)
            if deeper:
                self._counts["deeper_values"] += deeper
            if self.by_source:
                context[SOURCE_KEY] = source.decode() or ANONYMOUS
            values = self._contexts[raw_context] = tuple(
                _name_of(context[key]) if key in context else None for key in self._keys
            )
        return values

    def _made(
        self, tenant: str, task_type: str, agent: str, values: Sequence[str | None], hour: int
    ) -> list[int]:
        names = self._names
        tenant = names.known("", "tenant", tenant)
        task_type = names.known(tenant, "task_type", task_type)
        agent = names.known(tenant, "agent", agent)
        bucket = place(hour * HOUR_SECONDS, self._reference_seconds)
        whole = self._cell(Cell(tenant, task_type, agent, "", bucket))
        rows = [self._table.row(whole)]
        for key, value in zip(self._keys, values, strict=True):
            if value is None or whole.agent != agent:
                rows.append(NO_ROW)
                continue
            name = f"{key}={names.known(tenant, key, value)}"
            cell = Cell(tenant, task_type, agent, name, bucket)
            rows.append(self._table.row(cell) if self._has_room(cell) else NO_ROW)
        return rows

    def _cell(self, cell: Cell) -> Cell:
        """Return the cell itself, or the one of all others where the table is full."""
        if self._has_room(cell):
            return cell
        self._counts["folded_cells"] += 1
        return cell._replace(task_type=OTHER, agent=OTHER)

    def _has_room(self, cell: Cell) -> bool:
        return cell in self._table.rows or len(self._table) < self._settings.most_cells


def _cell_keys(settings: LearningSettings) -> tuple[str, ...]:
    """Return the context keys whose values have cells; the source is one where it is wanted."""
    return (
        (*settings.context_keys, SOURCE_KEY)
        if settings.tells_sources_apart
        else (settings.context_keys)
    )


class _KnownNames:
    """
    Names that have cells of their own; beyond the cap of a kind they share one.

    :param counts: what was folded, by kind
    """

    def __init__(self, table: Statistics, settings: LearningSettings, counts: Counts) -> None:
        self._caps = dict.fromkeys(settings.context_keys, settings.most_context_values) | {
            SOURCE_KEY: settings.most_sources,
            "tenant": settings.most_tenants,
            "agent": settings.most_agents,
            "task_type": settings.most_task_types,
        }
        self._counts = counts
        self._known: dict[tuple[str, str], set[str]] = {}
        for cell in table.cells:
            self._note(cell)

    def _note(self, cell: Cell) -> None:
        self._of("", "tenant").add(cell.tenant)
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
                self._counts()["folded_names"] += 1
                return OTHER
            names.add(name)
        return name
