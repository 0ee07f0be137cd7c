"""Whatever happens in whatever order, each model holds what a ledger kept by hand says."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olearn_core.errors import NotFoundError
from olearn_core.learning.versions.changes import RollbackError
from olearn_core.learning.versions.rollback import Rollback
from olearn_core.storage.database import Database
from olearn_core.storage.tables import metadata
from tests.promises.proof import examples
from tests.support import oracle
from tests.support.events import any_outcome
from tests.support.keepers import (
    POLICY,
    PREDICTORS,
    all_held,
    expected,
    keeper_on,
    models,
    of_tenant,
    plus,
    rollbacks_on,
)
from tests.support.services import cells_of
from tests.support.workers import NOW, Rig, WrittenLog

TENANTS = ("default", "acme")
KEYS = [(model, tenant) for model in PREDICTORS for tenant in TENANTS]

# What a model holds of a tenant, as a sum of what was learned of so many records, each
# with its factor: this says it without adding up any number.
Terms = Counter[int]


class Clock:
    """The time, which moves when the test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Story:
    """
    A worker, its versions and rollbacks, and a ledger of what every model has to hold.

    :ivar adjusted: what adjustments have to say now, by model and tenant
    :ivar versions: what each version has to hold
    :ivar before: what adjustments said before a rollback, where it changed them
    :ivar after: what they said after it
    """

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.log = WrittenLog()
        self.rng = random.Random(0)
        self.stack = AsyncExitStack()
        self.keeper = keeper_on(database, folder)
        self.rollbacks = rollbacks_on(database, self.keeper)
        self.adjusted: dict[tuple[str, str], Terms] = {key: Counter() for key in KEYS}
        self.versions: dict[int, dict[tuple[str, str], Terms]] = {}
        self.before: dict[int, dict[tuple[str, str], Terms]] = {}
        self.after: dict[int, dict[tuple[str, str], Terms]] = {}

    @property
    def records(self) -> list[bytes]:
        return next(iter(self.log.partitions.values()))

    async def begin(self) -> None:
        """Start a worker that saves when told."""
        self.rig = Rig(
            self.database,
            self.log,
            clock=self.clock,
            columns=models().columns,
            checkpoint_interval_seconds=1_000,
            base_interval_seconds=1e-9,
        )
        await self.rig.start(self.stack)
        await self.rig.learned(len(self.records))
        await self.rig.worker.checkpoint()

    async def committed(self) -> int:
        return (await self.rig.store.headers())[0].next_offset or 0

    async def holds(self) -> dict[tuple[str, str], Terms]:
        """Return what every model has to hold now."""
        shards = Counter([await self.committed()])
        return {key: total(terms, shards) for key, terms in self.adjusted.items()}

    def cells(self, key: tuple[str, str], terms: Terms) -> oracle.Cells:
        model, tenant = key
        known = {n: expected(self.records[:n], model, self.clock.now) for n in terms}
        return of_tenant(plus(*((factor, known[n]) for n, factor in terms.items())), tenant)

    async def check(self) -> None:
        found = await all_held(self.database)
        for (model, tenant), terms in (await self.holds()).items():
            held = of_tenant(cells_of(found[model]), tenant)
            assert held == self.cells((model, tenant), terms), (model, tenant)

    async def learn(self, count: int, *, saved: bool) -> None:
        """Learn records of which some are repeats, some old, and some of another tenant."""
        for _ in range(count):
            number = self.rng.randrange(1_000)
            record = any_outcome(self.rng, f"{number}", self.clock.now, days=120)
            self.log.write(record)
        await self.rig.learned(len(self.records))
        if saved:
            await self.rig.worker.checkpoint()

    async def save(self) -> None:
        holds = await self.holds()
        for version in await self.keeper.save():
            self.versions[version.version_number] = holds

    async def crash(self) -> None:
        await self.rig.crash()
        await self.begin()

    async def pass_hours(self, hours: int) -> None:
        """Time passes, and the next thing learned moves sums to coarser buckets."""
        self.clock.now += hours * 3_600

    async def roll_back(self, model: str, nth: int, tenant: str | None) -> None:
        if not self.versions:
            return
        number = sorted(self.versions)[nth % len(self.versions)]
        target, now = self.versions[number], await self.holds()
        keys = [k for k in KEYS if model in (POLICY, k[0]) and tenant in (None, k[1])]
        before = dict(self.adjusted)
        try:
            done = await self.rollbacks.to_version(model, number, tenant, "")
        except (RollbackError, NotFoundError):
            for key in keys:
                assert self.cells(key, target[key]) == self.cells(key, now[key])
            return
        shards = Counter([await self.committed()])
        for key in keys:
            self.adjusted[key] = total(target[key], {n: -f for n, f in shards.items()})
        self.note(done, before)

    async def undo(self, back: int) -> None:
        if not self.before:
            return
        newest = max(self.before)
        number = max(1, newest - back)
        try:
            done = await self.rollbacks.undo(POLICY, number, None, "")
        except RollbackError:
            assert number != newest, "the last one can always be undone"
            return
        before = dict(self.adjusted)
        for key, terms in self.after[number].items():
            assert self.cells(key, before[key]) == self.cells(key, terms), "not the last that stood"
            self.adjusted[key] = self.before[number][key]
        self.note(done, before)

    def note(self, done: Rollback, before: dict[tuple[str, str], Terms]) -> None:
        """Write down what a rollback did, and the versions that were saved around it."""
        keys = [(change.model_type, change.tenant) for change in done.changes]
        number = done.rollback_id
        self.before[number] = {key: before[key] for key in keys}
        self.after[number] = {key: self.adjusted[key] for key in keys}


def total(*terms: Any) -> Terms:
    sums: Terms = Counter()
    for part in terms:
        for length, factor in part.items():
            sums[length] += factor
    return Counter({length: factor for length, factor in sums.items() if factor})


STEPS = st.one_of(
    st.tuples(st.just("learn"), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("save")),
    st.tuples(st.just("crash")),
    st.tuples(st.just("pass_hours"), st.sampled_from([1, 30, 24 * 60])),
    st.tuples(
        st.just("roll_back"),
        st.sampled_from([POLICY, *PREDICTORS[:2]]),
        st.integers(0, 5),
        st.sampled_from([None, *TENANTS]),
    ),
    st.tuples(st.just("undo"), st.integers(0, 3)),
)


async def happen(story: Story, step: tuple[Any, ...]) -> None:
    what, *how = step
    if what == "learn":
        await story.learn(how[0], saved=how[1])
    else:
        await getattr(story, what)(*how)


@settings(
    examples(each_run=6, proof=400), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
async def test_any_sequence(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[Any, ...]],
) -> None:
    await forget_all(database)
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    story = Story(database, tmp_path / "models", clock)
    async with story.stack:
        await story.begin()
        try:
            for step in (("learn", 10, True), ("save",), *steps):
                await happen(story, step)
                await story.check()
        finally:
            await story.rig.stop()


async def forget_all(database: Database) -> None:
    """Leave the tables, but nothing in them."""
    async with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
