"""What a rollback leaves behind and says, what can be undone, and what is refused."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from olearn_core.errors import NotFoundError, NotReadyError
from olearn_core.learning.versions.changes import RollbackError
from olearn_core.learning.versions.rollback import Rollbacks
from olearn_core.learning.versions.versions import LEASE, VersionKeeper
from olearn_core.statistics import from_bytes, to_bytes
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import adjustments, learning_events, model_versions
from tests.support.events import outcome
from tests.support.keepers import POLICY, held, keeper_on, models, one_row, rollbacks_on
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


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Rules do not depend on the kind of database; what does is in test_rollback.py."""
    return sqlite_url


async def written(database: Database) -> tuple[int, ...]:
    """Count everything that a rollback writes."""
    tables = (adjustments, learning_events, model_versions)
    async with database.read() as connection:
        counts = [await connection.execute(select(func.count()).select_from(t)) for t in tables]
        return tuple(count.scalar_one() for count in counts)


class TestAccount:
    """What a rollback leaves behind, and says."""

    @pytest.fixture(autouse=True)
    async def _learned(self, database: Database, keeper: VersionKeeper) -> None:
        log = WrittenLog()
        async with learning(database, log) as rig:
            log.write(outcome(event_id="1"), outcome(event_id="2", tenant_id="acme"))
            await rig.caught_up()
            await keeper.save()
            log.write(*(outcome(event_id=str(n)) for n in range(3, 8)))
            await rig.caught_up()

    async def test_samples_before_and_after(self, rollbacks: Rollbacks) -> None:
        (change,) = (await rollbacks.to_version(MODEL, 1, None, "")).changes
        assert (change.model_type, change.tenant) == (MODEL, "default")
        assert (change.samples_before, change.samples_after) == (6, 1)
        (change,) = (await rollbacks.undo(MODEL, 1, None, "")).changes
        assert (change.samples_before, change.samples_after) == (1, 6)

    async def test_the_states_before_and_after_are_versions(
        self, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        done = await rollbacks.to_version(MODEL, 1, None, "")
        before, after = done.version_before, done.version_after
        samples = [
            (await keeper.store.numbered(MODEL, number)).training_samples
            for number in (1, before, after)
        ]
        assert samples == [2, 7, 2]
        assert (await keeper.store.active(MODEL)).version_number == after

    async def test_one_row_of_the_ledger_says_what_was_done_and_why(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await rollbacks.to_version(POLICY, 1, "default", "a bad day")
        await rollbacks.undo(POLICY, 1, None, "a good day")
        async with database.read() as connection:
            query = select(learning_events.c.details).where(learning_events.c.kind == "rollback")
            done, undone = (await connection.execute(query.order_by("id"))).scalars()
        touched = {"models": ["success_prediction"], "tenants": ["default"]}
        assert done == touched | {
            "rollback_id": 1,
            "model_type": POLICY,
            "to_version": 1,
            "tenant": "default",
            "reason": "a bad day",
        }
        assert undone == touched | {
            "rollback_id": 2,
            "model_type": POLICY,
            "undo": 1,
            "tenant": None,
            "reason": "a good day",
        }

    async def test_the_adjustment_says_why_and_holds_no_rows_of_zeros(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await rollbacks.to_version(MODEL, 1, None, "a bad day")
        async with database.read() as connection:
            (row,) = (await connection.execute(select(adjustments))).all()
        assert row.reason == "a bad day"
        table = from_bytes(bytes(row.sums))
        assert len(table) == 1
        assert table.totals()["executions"] == -5

    async def test_a_folder_that_cannot_be_written_does_not_keep_it_from_going_back(
        self, database: Database, tmp_path: Path
    ) -> None:
        (tmp_path / "in-the-way").write_text("a file")
        keeper = keeper_on(database, tmp_path / "in-the-way")
        done = await rollbacks_on(database, keeper).to_version(MODEL, 1, None, "")
        assert (done.version_before, done.version_after) == (2, 3)

    async def test_it_is_done_even_where_the_version_after_it_has_to_wait(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        await keeper.save()
        await Leases(database, "somebody else").hold(LEASE, 60)
        done = await rollbacks.to_version(MODEL, 1, None, "")
        assert (done.version_before, done.version_after) == (2, None)
        assert (await held(database, MODEL)).totals()["executions"] == 2
        await Leases(database, "somebody else").release(LEASE)
        await keeper.save_if_learned()
        assert (await keeper.store.active(MODEL)).training_samples == 2

    async def test_nothing_is_done_where_the_version_before_it_cannot_be_saved(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await Leases(database, "somebody else").hold(LEASE, 60)
        before = await written(database)
        with pytest.raises(NotReadyError):
            await rollbacks.to_version(MODEL, 1, None, "")
        assert await written(database) == before


class TestUndo:
    """Undoing is as in an editor: the last step that stands."""

    @pytest.fixture(autouse=True)
    async def _versions(self, database: Database, keeper: VersionKeeper) -> None:
        log = WrittenLog()
        async with learning(database, log) as rig:
            for number in (1, 2, 3):
                log.write(
                    outcome(event_id=f"{number}"), outcome(event_id=f"a{number}", tenant_id="acme")
                )
                await rig.caught_up()
                await keeper.save()

    async def samples(self, database: Database, tenant: str = "default") -> int:
        table = await held(database, MODEL)
        rows = [row for row, cell in enumerate(table.cells) if cell.tenant == tenant]
        return table.take(rows).totals()["executions"]

    async def test_nothing_is_undone_twice(self, database: Database, rollbacks: Rollbacks) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 1, None, "")
        before = await written(database)
        with pytest.raises(RollbackError, match="undone already, by rollback 2: undo 2"):
            await rollbacks.undo(MODEL, 1, None, "")
        assert await written(database) == before
        assert await self.samples(database) == 3

    async def test_an_undo_can_be_undone(self, database: Database, rollbacks: Rollbacks) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        for rollback_id, samples in ((1, 3), (2, 1), (3, 3), (4, 1)):
            await rollbacks.undo(MODEL, rollback_id, None, "")
            assert await self.samples(database) == samples

    async def test_what_was_undone_and_done_again_can_be_undone_by_its_own_number(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 2, None, "")
        await rollbacks.undo(MODEL, 1, None, "")
        assert await self.samples(database) == 3
        with pytest.raises(RollbackError, match=r"rollback 4 .* came after rollback 3"):
            await rollbacks.undo(MODEL, 3, None, "")

    async def test_an_earlier_rollback_waits_for_the_later_one(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        await rollbacks.to_version(MODEL, 2, None, "")
        with pytest.raises(RollbackError, match=r"rollback 2 .* came after .* 1: undo 2 first"):
            await rollbacks.undo(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 2, None, "")
        assert await self.samples(database) == 1
        await rollbacks.undo(MODEL, 1, None, "")
        assert await self.samples(database) == 3

    async def test_for_one_tenant(self, database: Database, rollbacks: Rollbacks) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 1, "acme", "")
        assert await self.samples(database) == 1
        assert await self.samples(database, "acme") == 3
        with pytest.raises(RollbackError, match="'acme' is undone already"):
            await rollbacks.undo(MODEL, 1, None, "")
        await rollbacks.undo(MODEL, 1, "default", "")
        assert await self.samples(database) == 3

    async def test_a_predictor_s_part_of_a_policy_s_rollback(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await rollbacks.to_version(POLICY, 1, None, "")
        await rollbacks.undo(MODEL, 1, None, "")
        assert await self.samples(database) == 3
        with pytest.raises(NotFoundError, match="no rollback 2 of cost_prediction"):
            await rollbacks.undo("cost_prediction", 2, None, "")

    @pytest.mark.parametrize(
        ("rollback_id", "tenant", "said"),
        [(7, None, "no rollback 7"), (1, "nobody", "no rollback 1 .* tenant 'nobody'")],
    )
    async def test_of_what_never_was(
        self, database: Database, rollbacks: Rollbacks, rollback_id: int, tenant: str, said: str
    ) -> None:
        await rollbacks.to_version(MODEL, 1, None, "")
        before = await written(database)
        with pytest.raises(NotFoundError, match=said):
            await rollbacks.undo(MODEL, rollback_id, tenant, "")
        assert await written(database) == before


class TestRefused:
    """What cannot be rolled back is said clearly, and nothing is written."""

    @pytest.fixture(autouse=True)
    async def _versions(self, database: Database, keeper: VersionKeeper) -> None:
        log = WrittenLog()
        async with learning(database, log) as rig:
            for number in (1, 2):
                log.write(outcome(event_id=f"{number}"))
                await rig.caught_up()
                await keeper.save()

    @asynccontextmanager
    async def refused(
        self, database: Database, kind: type[Exception], said: str
    ) -> AsyncIterator[None]:
        before = await written(database)
        with pytest.raises(kind, match=said):
            yield
        assert await written(database) == before

    async def change(self, database: Database, model: str, **values: Any) -> None:
        """Change the row of a model's first version."""
        ours = (model_versions.c.model_type == model) & (model_versions.c.version_number == 1)
        async with database.write() as connection:
            await connection.execute(update(model_versions).where(ours).values(**values))

    async def test_a_version_that_never_was(self, database: Database, rollbacks: Rollbacks) -> None:
        async with self.refused(database, NotFoundError, f"no version 9 of {MODEL}"):
            await rollbacks.to_version(MODEL, 9, None, "")

    async def test_a_tenant_that_nobody_knows(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        async with self.refused(database, NotFoundError, "nothing was learned of a tenant 'acme'"):
            await rollbacks.to_version(POLICY, 1, "acme", "")

    async def test_the_version_that_it_is_at(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        async with self.refused(database, RollbackError, "holds just what its version 2 holds"):
            await rollbacks.to_version(POLICY, 2, None, "")

    async def test_the_version_that_it_is_at_days_later(
        self,
        database: Database,
        keeper: VersionKeeper,
        rollbacks: Rollbacks,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Sums of an hour lie in their day by then, in the shards and adjustments alike."""
        await rollbacks.to_version(MODEL, 1, None, "")
        later = NOW + 3 * 86_400
        monkeypatch.setattr(time, "time", lambda: later)
        async with self.refused(database, RollbackError, "holds just what its version 1 holds"):
            await rollbacks.to_version(MODEL, 1, None, "")
        await keeper.save()
        active = await keeper.store.active(MODEL)
        assert from_bytes(await keeper.store.artifact(active.id)).is_compact(later)
        said = f"holds just what its version {active.version_number} holds"
        async with self.refused(database, RollbackError, said):
            await rollbacks.to_version(MODEL, active.version_number, None, "")

    async def test_an_artifact_that_was_pruned(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await self.change(database, MODEL, artifact=b"", status="archived")
        for model in (MODEL, POLICY):
            async with self.refused(database, NotFoundError, "choose a newer version"):
                await rollbacks.to_version(model, 1, None, "")

    async def test_an_artifact_with_a_changed_byte(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await self.change(database, MODEL, artifact=b"changed")
        for model in (MODEL, POLICY):
            said = f"version 1 of {MODEL} cannot be read .*: choose another one"
            async with self.refused(database, RollbackError, said):
                await rollbacks.to_version(model, 1, None, "")

    async def test_a_policy_whose_predictor_s_version_is_gone(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        await self.change(database, MODEL, sha256="0" * 64)
        async with self.refused(database, NotFoundError, f"no version of {MODEL} with sha256"):
            await rollbacks.to_version(POLICY, 1, None, "")

    async def test_a_version_with_other_columns(
        self, database: Database, rollbacks: Rollbacks
    ) -> None:
        artifact = to_bytes(one_row(["executions", "applause"]), reference_at=NOW)
        digest = hashlib.sha256(artifact).hexdigest()
        await self.change(database, MODEL, artifact=artifact, sha256=digest)
        said = "has the columns executions, applause, but the model has .* now: choose a newer"
        async with self.refused(database, RollbackError, said):
            await rollbacks.to_version(MODEL, 1, None, "")

    async def test_a_model_that_is_not_loaded(
        self, database: Database, keeper: VersionKeeper, rollbacks: Rollbacks
    ) -> None:
        fewer = [p for p in models().predictors if p.name != MODEL]
        without = Rollbacks(database, keeper, fewer, models().column_names)
        async with self.refused(database, RollbackError, f"the model {MODEL} is not loaded"):
            await without.to_version(POLICY, 1, None, "")
        await rollbacks.to_version(MODEL, 1, None, "")
        async with self.refused(database, RollbackError, f"the model {MODEL} is not loaded"):
            await without.undo(POLICY, 1, None, "")
