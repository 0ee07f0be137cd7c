"""A rolled back model is exactly its version, plus what was learned since; undone, as if never."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from olearn_core.errors import NotReadyError, StorageError
from olearn_core.learning.versions.changes import RollbackError, StaleError
from olearn_core.learning.versions.rollback import TRIES, Rollback, Rollbacks
from olearn_core.learning.versions.versions import VersionKeeper
from olearn_core.learning.views.view import View
from olearn_core.sources.source import Partition
from olearn_core.statistics import Strategy, Weighting, from_bytes
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.shards import ShardStore
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.keepers import (
    POLICY,
    PREDICTORS,
    columns_of,
    expected,
    held,
    held_cells,
    keeper_on,
    models,
    of_tenant,
    one_row,
    plus,
    rollbacks_on,
)
from tests.support.services import cells_of, open_database
from tests.support.workers import NOW, WrittenLog, learning

MODEL = "success_prediction"


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, rollbacks and the worker agree on the time, so that buckets can be compared."""
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.fixture
def keeper(database: Database, tmp_path: Path) -> VersionKeeper:
    return keeper_on(database, tmp_path / "models")


@pytest.fixture
def rollbacks(database: Database, keeper: VersionKeeper) -> Rollbacks:
    return rollbacks_on(database, keeper)


@asynccontextmanager
async def held_up(
    monkeypatch: pytest.MonkeyPatch, rollback: Awaitable[Rollback]
) -> AsyncIterator[None]:
    """Hold a rollback between its snapshot and its writing while the block runs."""
    arrived, go = asyncio.Event(), asyncio.Event()
    really = AdjustmentStore.roll_back

    async def waiting(*arguments: Any) -> bool:
        if not arrived.is_set():
            arrived.set()
            await go.wait()
        return await really(*arguments)

    monkeypatch.setattr(AdjustmentStore, "roll_back", waiting)
    task = asyncio.ensure_future(rollback)
    await arrived.wait()
    yield
    go.set()
    await task


def rolled_back(records: Sequence[bytes], *, to: int, at: int) -> oracle.Cells:
    """What a model holds that knew of `at` records, and went back to when it knew of `to`."""
    learned_since = (1, expected(records, MODEL)), (-1, expected(records[:at], MODEL))
    return plus((1, expected(records[:to], MODEL)), *learned_since)


class TestExactness:
    async def test_where_nothing_was_learned_meanwhile_the_model_is_its_version(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(1, 300, NOW, days=100)
        log.write(*records[:200])
        async with learning(database, log) as rig:
            await rig.caught_up()
            await keeper.save()
            log.write(*records[200:])
            await rig.caught_up()
            done = await rollbacks.to_version(MODEL, 1, None, "better then")
        artifact = await keeper.store.artifact((await keeper.store.numbered(MODEL, 1)).id)
        assert (
            await held_cells(database, MODEL)
            == cells_of(from_bytes(artifact))
            == expected(records[:200], MODEL)
        )
        for other in set(PREDICTORS) - {MODEL}:
            assert await held_cells(database, other) == expected(records, other)
        assert (done.rollback_id, done.version_before, done.version_after) == (1, 2, 3)

    async def test_what_is_learned_while_it_is_going_on_stays(
        self,
        database: Database,
        keeper: VersionKeeper,
        rollbacks: Rollbacks,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        log, records = WrittenLog(), stream(2, 300, NOW)
        log.write(*records[:100])
        async with learning(database, log) as rig:
            await rig.caught_up()
            await keeper.save()
            log.write(*records[100:200])
            await rig.caught_up()
            async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "")):
                log.write(*records[200:])
                await rig.caught_up()
        since = (1, expected(records, MODEL)), (-1, expected(records[:200], MODEL))
        assert await held_cells(database, MODEL) == plus(
            (1, expected(records[:100], MODEL)), *since
        )

    async def test_a_zombie_and_its_heir_change_nothing(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        records = stream(3, 300, NOW)
        older, newer = WrittenLog(), WrittenLog()
        older.write(*records[:100])
        slow = {"checkpoint_interval_seconds": 1_000}
        async with learning(database, older, owner="older", **slow) as zombie:
            await zombie.learned(100)
            await zombie.worker.checkpoint()
            await keeper.save()
            older.write(*records[100:200])
            await zombie.learned(200)
            newer.write(*records[:250])
            async with learning(database, newer, owner="newer") as heir:
                await heir.caught_up()
                await rollbacks.to_version(MODEL, 1, None, "")
                await zombie.worker.checkpoint()
                newer.write(*records[250:])
                await heir.caught_up()
                await zombie.crash()
        since = (1, expected(records, MODEL)), (-1, expected(records[:250], MODEL))
        assert await held_cells(database, MODEL) == plus(
            (1, expected(records[:100], MODEL)), *since
        )

    async def test_a_worker_that_crashes_learns_again_on_top_of_it(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(4, 300, NOW)
        log.write(*records[:100])
        async with learning(database, log, checkpoint_interval_seconds=1_000) as rig:
            await rig.learned(100)
            await rig.worker.checkpoint()
            await keeper.save()
            log.write(*records[100:200])
            await rig.learned(200)
            await rig.worker.checkpoint()
            log.write(*records[200:])
            await rig.learned(300)
            await rollbacks.to_version(MODEL, 1, None, "")
            await rig.crash()
        async with learning(database, log) as rig:
            assert (await rig.store.headers())[0].next_offset == 200, "the rest was not saved"
            await rig.caught_up()
        since = (1, expected(records, MODEL)), (-1, expected(records[:200], MODEL))
        assert await held_cells(database, MODEL) == plus(
            (1, expected(records[:100], MODEL)), *since
        )

    async def test_another_tenant_is_left_alone(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(5, 300, NOW)
        log.write(*records[:150])
        async with learning(database, log) as rig:
            await rig.caught_up()
            await keeper.save()
            log.write(*records[150:])
            await rig.caught_up()
        done = await rollbacks.to_version(POLICY, 1, "acme", "")
        assert {change.tenant for change in done.changes} == {"acme"}
        for model in PREDICTORS:
            now = await held_cells(database, model)
            assert of_tenant(now, "acme") == of_tenant(expected(records[:150], model), "acme")
            assert of_tenant(now, "default") == of_tenant(expected(records, model), "default")

    async def test_undone_it_is_as_if_it_had_never_happened(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(6, 300, NOW)
        log.write(*records[:100])
        async with learning(database, log) as rig:
            await rig.caught_up()
            await keeper.save()
            log.write(*records[100:200])
            await rig.caught_up()
            done = await rollbacks.to_version(POLICY, 1, None, "")
            log.write(*records[200:])
            await rig.caught_up()
            undone = await rollbacks.undo(POLICY, done.rollback_id, None, "it was better")
        for model in PREDICTORS:
            assert await held_cells(database, model) == expected(records, model)
        assert undone.rollback_id == done.rollback_id + 1
        assert {change.undoes for change in undone.changes} == {done.rollback_id}

    async def test_a_policy_goes_back_to_the_versions_that_it_names(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(7, 300, NOW)
        log.write(*records[:100])
        async with learning(database, log) as rig:
            await rig.caught_up()
            await keeper.save()
            log.write(*records[100:])
            await rig.caught_up()
        done = await rollbacks.to_version(POLICY, 1, None, "")
        assert {change.model_type for change in done.changes} == set(PREDICTORS)
        for model in PREDICTORS:
            assert await held_cells(database, model) == expected(records[:100], model)

    async def test_back_and_forth_between_versions(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        log, records = WrittenLog(), stream(8, 90, NOW)
        async with learning(database, log) as rig:
            for start in range(0, 90, 30):
                log.write(*records[start : start + 30])
                await rig.caught_up()
                await keeper.save()
            for number in (1, 3, 2, 3, 1):
                await rollbacks.to_version(MODEL, number, None, "")
                assert await held_cells(database, MODEL) == expected(records[: 30 * number], MODEL)


@pytest.mark.parametrize("strategy", ["bayesian", "moving_average", "exponential", "gradient"])
async def test_what_is_forgotten_later_is_the_version_s_own(
    sqlite_url: str, tmp_path: Path, strategy: Strategy
) -> None:
    """Whatever its weights are, now or in a month: those of a model that knew no more."""
    records = stream(9, 600, NOW, days=60)
    async with AsyncExitStack() as stack:
        database = await open_database(sqlite_url, stack)
        other = await open_database(f"sqlite+aiosqlite:///{tmp_path}/other.db", stack)
        keeper = keeper_on(database, tmp_path / "models")
        log, shorter = WrittenLog(), WrittenLog()
        log.partitions[Partition("outcomes", 1)] = []
        shorter.write(*records[:200])
        async with learning(database, log) as rig, learning(other, shorter) as knows_no_more:
            log.write(*records[:200])
            await rig.caught_up()
            await keeper.save()
            log.write(*records[200:400])
            log.write(*records[400:], partition=Partition("outcomes", 1))
            await rig.caught_up()
            await knows_no_more.caught_up()
        await rollbacks_on(database, keeper).to_version(MODEL, 1, None, "")
        for hours in (0, 50, 24 * 40, 24 * 95):
            clock, weighting = (lambda later=hours: NOW + 3_600 * later), Weighting(strategy)
            found, wanted = [await weighed(one, clock, weighting) for one in (database, other)]
            assert found.keys() >= wanted.keys()
            for cell, sums in found.items():
                assert sums == pytest.approx(wanted.get(cell, 0.0 * sums), rel=1e-9, abs=1e-3)


async def weighed(
    database: Database, clock: Callable[[], float], weighting: Weighting
) -> dict[tuple[str, str], Any]:
    """Return what a node that learns nothing itself decides by."""
    names = models().column_names
    view = View(ShardStore(database), AdjustmentStore(database), names, clock)
    await view.poll()
    sums = view.sums("default", MODEL, weighting, "executions")
    own = [sums.columns[name] for name in columns_of(MODEL)]
    return {
        (task, agent): sums.values[i, j, own]
        for i, task in enumerate(sums.tasks)
        for j, agent in enumerate(sums.agents)
    }


class TestTwoAtOnce:
    @pytest.fixture(autouse=True)
    async def _versions(self, database: Database, keeper: VersionKeeper) -> None:
        log = WrittenLog()
        async with learning(database, log) as rig:
            for number in range(1, 4):
                log.write(outcome(event_id=f"{number}", cost_usd=1.0))
                await rig.caught_up()
                await keeper.save()

    async def test_both_want_the_same_and_it_is_done_once(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(RollbackError, match="holds just what its version 1 holds"):
            async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "")):
                await rollbacks.to_version(MODEL, 1, None, "")
        assert (await held(database, MODEL)).totals()["executions"] == 1

    async def test_the_later_of_two_versions_wins(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "")):
            await rollbacks.to_version(MODEL, 2, None, "")
            assert (await held(database, MODEL)).totals()["executions"] == 2
        assert (await held(database, MODEL)).totals()["executions"] == 1

    async def test_rollbacks_of_two_models_have_numbers_of_their_own(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = "cost_prediction"
        async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "")):
            assert (await rollbacks.to_version(other, 2, None, "")).rollback_id == 1
        await rollbacks.undo(POLICY, 2, None, "")
        assert (await held(database, MODEL)).totals()["executions"] == 3
        assert (await held(database, other)).totals()["cost_n"] == 2

    async def test_both_undo_and_it_is_undone_once(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        with pytest.raises(RollbackError, match="undone already"):
            async with held_up(monkeypatch, rollbacks.undo(MODEL, 1, None, "")):
                await rollbacks.undo(MODEL, 1, None, "")
        assert (await held(database, MODEL)).totals()["executions"] == 3

    async def test_an_adjustment_of_another_kind_is_not_overlooked(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "")):
            table = one_row(columns_of(MODEL))
            await AdjustmentStore(database).add(MODEL, "default", table, "imported")
        assert (await held(database, MODEL)).totals()["executions"] == 1

    async def test_of_two_that_saw_the_same_state_one_is_refused(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(StaleError, match="at version 4 now"):
            async with held_up(monkeypatch, rollbacks.to_version(MODEL, 1, None, "", {3})):
                await rollbacks.to_version(MODEL, 2, None, "", {3})
        assert (await held(database, MODEL)).totals()["executions"] == 2

    async def test_the_second_is_refused_even_before_a_version_of_the_first_is_saved(
        self,
        database: Database,
        keeper: VersionKeeper,
        rollbacks: Rollbacks,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def not_now() -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(keeper, "save_if_learned", not_now)
            await rollbacks.to_version(MODEL, 2, None, "", {2, 3})
            with pytest.raises(StaleError, match="since version 3 was saved"):
                await rollbacks.to_version(MODEL, 1, None, "", {3})
        await keeper.save()
        done = await rollbacks.undo(MODEL, 1, None, "", {4})
        assert done.version_before == 4
        assert (await held(database, MODEL)).totals()["executions"] == 3

    async def test_many_at_once(self, database: Database, keeper: VersionKeeper) -> None:
        many = [rollbacks_on(database, keeper).to_version(MODEL, 1, None, "") for _ in range(6)]
        said = await asyncio.gather(*many, return_exceptions=True)
        assert sorted(type(s).__name__ for s in said) == ["Rollback"] + ["RollbackError"] * 5
        assert (await held(database, MODEL)).totals()["executions"] == 1

    async def test_it_gives_up_where_others_come_in_between_all_the_time(
        self, database: Database, rollbacks: Rollbacks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        async def overtaken(*arguments: Any) -> bool:
            tried.append(arguments)
            return False

        monkeypatch.setattr(AdjustmentStore, "roll_back", overtaken)
        with pytest.raises(NotReadyError, match="try again"):
            await rollbacks.to_version(MODEL, 1, None, "")
        assert len(tried) == TRIES
