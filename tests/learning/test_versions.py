"""Versions are complete, name the offsets they cover, and are refused where a byte changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import stat
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from olearn_core.errors import CorruptArtifactError, NotFoundError, NotReadyError, StorageError
from olearn_core.learning.shards.shard import Shard
from olearn_core.learning.versions.versions import LEASE, Committed, VersionKeeper
from olearn_core.service import Service
from olearn_core.sources.embedded import PARTITION
from olearn_core.sources.source import Partition
from olearn_core.statistics import Statistics, from_bytes, read_header, to_bytes
from olearn_core.statistics.codec import canonical
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.leases import Leases
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.storage.tables import learning_events, model_versions, shard_bases
from olearn_core.storage.versions import ModelVersion
from tests.support.events import outcome, rfc3339, stream
from tests.support.keepers import POLICY, columns_of, keeper_on, models, one_row
from tests.support.services import (
    eventually,
    open_database,
    publish,
    received,
    running,
    settings_for,
)
from tests.support.workers import NOW, Rig, WrittenLog, learning, ledger_rows

MODEL = "success_prediction"
OTHER = Partition("outcomes", 1)
HOUR = 3_600
MODELS = {
    "agent_selection",
    "success_prediction",
    "quality_prediction",
    "latency_prediction",
    "cost_prediction",
}


async def learn(service: Service, count: int, prefix: str = "") -> None:
    before = service.view.counters().get("received", 0)
    records = [
        outcome(event_id=f"{prefix}{i}", latency_ms=100, cost_usd=0.01, quality_score=0.5)
        for i in range(count)
    ]
    await publish(service.publisher, records)
    await received(service, before + count)


async def flip(service: Service, table, key, column: str) -> None:
    """Flip one byte of a stored blob."""
    async with service.database.write() as connection:
        blob = bytearray((await connection.execute(select(table.c[column]).where(key))).scalar())
        blob[len(blob) // 2] ^= 1
        await connection.execute(update(table).where(key).values({column: bytes(blob)}))


async def test_a_version_is_complete_and_names_the_offsets_it_covers(
    tmp_path: Path, database_url: str
) -> None:
    async with running(settings_for(tmp_path, database_url)) as run:
        service = run.service
        await learn(service, 5)
        saved = {version.model_type: version for version in await service.versions.save()}
        assert saved.keys() == MODELS
        assert len({version.created_at for version in saved.values()}) == 1
        next_offset = service.worker.shards[PARTITION].next_offset
        for version in saved.values():
            assert version.covered_offsets == {"embedded/outcomes/0": next_offset}
            assert version.status == "active"
            assert version.training_samples == 5
            assert version.parent_version_id is None
        artifact = await service.versions.store.artifact(saved["cost_prediction"].id)
        assert from_bytes(artifact).totals()["cost"] == 50_000
        assert read_header(artifact)["model_type"] == "cost_prediction"


async def test_versions_follow_each_other_and_one_is_active(
    tmp_path: Path, database_url: str
) -> None:
    async with running(settings_for(tmp_path, database_url)) as run:
        store = run.service.versions.store
        for number in range(3):
            await learn(run.service, 2, f"{number}-")
            await run.service.versions.save()
        versions = await store.all("success_prediction")
        assert [v.version_number for v in versions] == [3, 2, 1]
        assert [v.status for v in versions] == ["active", "deprecated", "deprecated"]
        assert [v.parent_version_id for v in versions] == [versions[1].id, versions[2].id, None]
        assert [v.training_samples for v in versions] == [6, 4, 2]
        with pytest.raises(NotFoundError):
            await store.artifact(10_000)


async def test_only_one_saves_at_a_time(tmp_path: Path, database_url: str) -> None:
    async with running(settings_for(tmp_path, database_url)) as run:
        versions = run.service.versions
        await Leases(run.service.database, "somebody else").hold(LEASE, 60)
        with pytest.raises(NotReadyError):
            await versions.save()
        await Leases(run.service.database, "somebody else").release(LEASE)
        await asyncio.gather(*(versions.save() for _ in range(4)))
        numbers = [v.version_number for v in await versions.store.all("cost_prediction")]
        assert numbers == [4, 3, 2, 1]
        active = [v for v in await versions.store.all() if v.status == "active"]
        assert {v.model_type for v in active} == MODELS
        assert len(active) == len(MODELS)


async def test_versions_are_saved_at_their_interval_where_something_was_learned(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = settings_for(tmp_path, sqlite_url, versions={"save_interval_seconds": 0.05})
    async with running(settings) as run:
        store = run.service.versions.store
        await learn(run.service, 3)

        async def saved() -> bool:
            version = await store.active("agent_selection")
            return version is not None and version.training_samples == 3

        await eventually(saved)
        number = (await store.active("agent_selection")).version_number
        await asyncio.sleep(0.3)
        assert (await store.active("agent_selection")).version_number == number, "nothing new"


async def test_a_version_is_saved_at_shutdown(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path, database_url)
    async with running(settings) as run:
        await learn(run.service, 3)
        await run.stop()
        version = await run.service.versions.store.active("success_prediction")
        assert version is not None
        assert version.training_samples == 3


async def test_versions_are_exported_for_their_owner_only(tmp_path: Path, sqlite_url: str) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    async with running(settings) as run:
        await learn(run.service, 2)
        saved = await run.service.versions.save()
        folder = settings.versions.storage_path
        names = {path.name for path in folder.iterdir()}
        assert names == {
            "agent_selection.json",
            "metrics.json",
            *(f"{name}.npz" for name in MODELS - {"agent_selection"}),
        }
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics.keys() == MODELS
        for version in saved:
            described = metrics[version.model_type]
            assert described["sha256"] == version.sha256
            assert described["version_number"] == version.version_number
            assert described["covered_offsets"] == version.covered_offsets


async def test_a_folder_that_cannot_be_written_is_said_and_the_version_is_kept(
    tmp_path: Path, sqlite_url: str
) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    settings = settings_for(
        tmp_path, sqlite_url, versions={"storage_path": tmp_path / "in-the-way"}
    )
    async with running(settings) as run:
        with pytest.raises(StorageError, match="in-the-way"):
            await run.service.versions.save()
        assert await run.service.versions.store.active("success_prediction") is not None


async def test_an_artifact_with_a_flipped_byte_is_refused_and_the_previous_is_active(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(tmp_path, database_url)
    async with running(settings) as run:
        for number in range(3):
            await learn(run.service, 2, f"{number}-")
            await run.service.versions.save()
        broken = (await run.service.versions.store.all("latency_prediction"))[:2]
        for version in broken:
            await flip(run.service, model_versions, model_versions.c.id == version.id, "artifact")
        with pytest.raises(CorruptArtifactError):
            await run.service.versions.store.artifact(broken[0].id)
    async with running(settings) as run:
        store = run.service.versions.store
        assert [v.status for v in await store.all("latency_prediction")] == [
            "archived",
            "archived",
            "active",
        ]
        assert len(run.service.ailments.warnings) == 2
        assert "latency_prediction version 3 is refused" in run.service.ailments.warnings[0]
        assert "version 1 is active" in run.service.ailments.warnings[1]
        async with run.service.database.read() as connection:
            kinds = (await connection.execute(select(learning_events.c.kind))).scalars()
            assert list(kinds).count("version_refused") == 2
        await learn(run.service, 1, "more")
        await run.service.versions.save()
        newest = await store.active("latency_prediction")
        assert newest.version_number == 4
        assert newest.training_samples == 7, "nothing learned was lost with it"


async def test_an_exported_file_that_was_changed_is_written_anew(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    async with running(settings) as run:
        await learn(run.service, 2)
        await run.service.versions.save()
    path = settings.versions.storage_path / "cost_prediction.npz"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    async with running(settings) as run:
        assert path.read_bytes() == good
        (warning,) = run.service.problems
        assert "did not match" in warning


@pytest.mark.parametrize("pruned", [False, True])
async def test_an_exported_file_of_an_earlier_version_is_brought_up_to_date_in_silence(
    tmp_path: Path, sqlite_url: str, pruned: bool
) -> None:
    """As after another node has saved, or this one was killed before it wrote its files."""
    folders = [tmp_path / name for name in ("mine", "another")]
    mine, another = (
        settings_for(tmp_path, sqlite_url, versions={"storage_path": folder}) for folder in folders
    )
    async with running(mine) as run:
        await learn(run.service, 2)
        await run.service.versions.save()
    async with running(another) as run:
        await learn(run.service, 1, "more")
        await run.service.versions.save()
        if pruned:
            async with run.service.database.write() as connection:
                await connection.execute(update(model_versions).values(parent_version_id=None))
                old = model_versions.c.status != "active"
                await connection.execute(delete(model_versions).where(old))
    async with running(mine) as run:
        assert run.service.problems == []
    ours, theirs = ((folder / "cost_prediction.npz").read_bytes() for folder in folders)
    assert ours == theirs


async def test_a_corrupt_shard_stays_unlearned_and_untouched_while_the_service_is_up(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(tmp_path, database_url, learning={"base_interval_seconds": 1e-9})
    async with running(settings) as run:
        await learn(run.service, 5)
        await flip(run.service, shard_bases, shard_bases.c.tier >= 0, "sums")
        before = await blobs(run.service)
    async with running(settings, until_ready=False) as run:
        await eventually(lambda: any("cannot be loaded" in p for p in run.service.problems))
        await run.service.publisher.publish("k", outcome(event_id="waits"))
        await asyncio.sleep(0.3)
        assert any("cannot be loaded" in p for p in run.service.problems), "it goes on saying so"
        assert not run.task.done()
        assert not run.service.is_ready
        with pytest.raises(CorruptArtifactError):
            await run.service.versions.save()
        assert await blobs(run.service) == before


async def blobs(service: Service) -> list[bytes]:
    async with service.database.read() as connection:
        rows = await connection.execute(select(shard_bases.c.sums))
        return [bytes(blob) for blob in rows.scalars()]


class TestWhileOthersLearn:
    """Versions are complete and replayable, whoever saves them, and whatever goes on."""

    @pytest.mark.parametrize("seed", range(2))
    async def test_a_version_is_what_a_replay_of_the_log_to_its_offsets_gives(
        self, tmp_path: Path, database: Database, seed: int
    ) -> None:
        clock = iter(range(int(time.time()) - 10 * HOUR, int(time.time()), HOUR))
        now = [next(clock)]
        log, records = WrittenLog(), stream(seed, 600, now[0], days=100)
        log.most = 20
        log.partitions[OTHER] = []
        keepers = [keeper_on(database, tmp_path / name, name) for name in ("one", "two")]
        done = asyncio.Event()
        options = {"clock": lambda: now[0], "base_interval_seconds": 0.05}
        async with learning(database, log, **options) as rig:
            saving = [asyncio.create_task(save_again_and_again(k, done)) for k in keepers]
            for start in range(0, len(records), 60):
                too_early = outcome(event_id=f"{start}", timestamp=rfc3339(now[0] + 3 * HOUR))
                log.write(*records[start : start + 30], too_early)
                log.write(*records[start + 30 : start + 60], partition=OTHER)
                await rig.caught_up()
                now[0] = next(clock, now[0])
            done.set()
            assert sum(await asyncio.gather(*saving)) > 1, "it was in the middle"
        store = keepers[0].store
        await keepers[0].save_if_learned()
        versions = [version for version in await store.all() if version.model_type != POLICY]
        chosen = [*versions[:4], *random.Random(seed).sample(versions[4:], 8)]
        async with AsyncExitStack() as stack:
            replay = Replay(await open_database(f"sqlite+aiosqlite:///{tmp_path}/r.db", stack), log)
            for version in chosen:
                reference = read_header(await store.artifact(version.id))["reference_at"]
                again = await replay.artifact(version, await ledger_rows(database), reference)
                assert hashlib.sha256(again).hexdigest() == version.sha256
        assert len({json.dumps(version.covered_offsets) for version in chosen}) > 2

    async def test_versions_follow_each_other_without_a_gap(
        self, tmp_path: Path, database: Database
    ) -> None:
        log, records = WrittenLog(), stream(5, 400, NOW)
        log.most = 10
        keepers = [keeper_on(database, tmp_path / name, name) for name in ("one", "two", "three")]
        done = asyncio.Event()
        async with learning(database, log) as rig:
            saving = [asyncio.create_task(save_again_and_again(k, done)) for k in keepers]
            log.write(*records)
            await rig.caught_up()
            done.set()
            await asyncio.gather(*saving)
        versions = (await keepers[0].store.all(POLICY))[::-1]
        assert [v.version_number for v in versions] == list(range(1, len(versions) + 1))
        assert [v.parent_version_id for v in versions] == [None, *(v.id for v in versions[:-1])]
        offsets = [v.covered_offsets.get("written/outcomes/0", 0) for v in versions]
        assert offsets == sorted(offsets), "a later version never knows less"

    async def test_whoever_was_paused_too_long_does_not_save_what_is_old(
        self, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = WrittenLog()
        paused, other = (keeper_on(database, tmp_path / name, name) for name in ("one", "two"))
        async with learning(database, log) as rig:
            log.write(outcome(event_id="1"))
            await rig.caught_up()
            snapshot = await paused.committed()
            log.write(outcome(event_id="2"))
            await rig.caught_up()
        await other.save()

        async def as_of_then() -> Committed:
            return snapshot

        monkeypatch.setattr(paused, "committed", as_of_then)
        with pytest.raises(NotReadyError, match="another process has saved"):
            await paused.save()
        monkeypatch.undo()
        snapshot = await paused.committed()
        await other.save()
        monkeypatch.setattr(paused, "committed", as_of_then)
        with pytest.raises(NotReadyError, match="another process has saved"):
            await paused.save()
        assert (await other.store.active(MODEL)).version_number == 2
        assert (await other.store.active(MODEL)).training_samples == 2

    async def test_of_two_first_versions_one_is_saved(
        self, tmp_path: Path, database: Database
    ) -> None:
        keepers = [keeper_on(database, tmp_path / name, name) for name in ("one", "two")]
        new = [k._encoded(await k.committed()) for k in keepers]
        saves = [k.store.save(versions) for k, versions in zip(keepers, new, strict=True)]
        said = await asyncio.gather(*saves, return_exceptions=True)
        assert sorted(type(s).__name__ for s in said) == ["NotReadyError", "list"]
        assert [v.version_number for v in await keepers[0].store.all(MODEL)] == [1]

    async def test_an_adjustment_is_something_new_to_save(
        self, tmp_path: Path, database: Database
    ) -> None:
        keeper = keeper_on(database, tmp_path)
        await keeper.save()
        assert await keeper.save_if_learned() == []
        store = AdjustmentStore(database)
        await store.add(MODEL, "default", one_row(columns_of(MODEL)), "imported")
        saved = {version.model_type: version for version in await keeper.save_if_learned()}
        assert saved[MODEL].training_samples == 1
        assert saved["cost_prediction"].training_samples == 0
        assert {v.newest_adjustment for v in saved.values()} == {await store.newest()}
        assert await keeper.save_if_learned() == []


async def save_again_and_again(keeper: VersionKeeper, done: asyncio.Event) -> int:
    """Save until told to stop; return how often it worked out."""
    saved = 0
    while not done.is_set():
        try:
            saved += bool(await keeper.save_if_learned())
        except NotReadyError:
            pass
        await asyncio.sleep(0)
    return saved


class Replay:
    """Learns a log anew, batch by batch as a ledger has it."""

    def __init__(self, empty: Database, log: WrittenLog) -> None:
        self.rig = Rig(empty, log)
        self.log = log

    async def artifact(
        self, version: ModelVersion, ledger: Sequence[Any], reference: float
    ) -> bytes:
        """Return the bytes that a version with these offsets must have."""
        total = Statistics(models().column_names)
        for name, end in version.covered_offsets.items():
            number = int(name.rpartition("/")[2])
            rows = [row for row in ledger if row["shard_id"] == number + 1]
            shard = self.rig._shard(await self.rig.loader.load(Partition("outcomes", number)))
            for row in rows:
                if row["to_offset"] <= end:
                    self.learn(shard, row)
            assert shard.next_offset == end
            total.merge(shard.table)
        own = total.compact(reference).select(columns_of(version.model_type))
        header = {"model_type": version.model_type, "reference_at": reference}
        return to_bytes(canonical(own), **header)

    def learn(self, shard: Shard, row: Any) -> None:
        values = self.log.partitions[shard.partition][row["from_offset"] : row["to_offset"]]
        numbered = enumerate(values, row["from_offset"])
        records = [LoggedRecord(number, value, int(NOW * 1_000)) for number, value in numbered]
        shard.tick = None
        shard.learn(records, row["reference_at"])
