"""Versions are complete, name the offsets they cover, and are refused where a byte changed."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from sqlalchemy import select, update

from olearn_core.errors import CorruptArtifactError, NotFoundError, NotReadyError, StorageError
from olearn_core.learning.versions import LEASE
from olearn_core.service import Service
from olearn_core.statistics import from_bytes, read_header
from olearn_core.storage.leases import Leases
from olearn_core.storage.tables import learning_events, model_versions, shard_bases
from tests.support.events import outcome
from tests.support.services import eventually, publish, received, running, settings_for

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
        next_offset = service.worker.shards[next(iter(service.worker.shards))].next_offset
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
        assert len(run.service.warnings) == 3 - 1 + 1  # two refusals, one file written anew
        assert "latency_prediction version 3 is refused" in run.service.warnings[0]
        assert "version 1 is active" in run.service.warnings[1]
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
