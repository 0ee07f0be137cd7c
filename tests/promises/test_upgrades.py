"""What a release has learned is read by every later one; what is newer is refused."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from olearn_core.config import DatabaseSettings, LearningSettings
from olearn_core.errors import CorruptArtifactError, StorageError
from olearn_core.learning.shards.cells import CellFinder
from olearn_core.learning.shards.decision_shard import DecisionReader
from olearn_core.learning.shards.tick import Tick
from olearn_core.sources.source import Partition
from olearn_core.statistics import Statistics, content_hash, from_bytes, read_header
from olearn_core.storage import schema
from olearn_core.storage.adjustments import AdjustmentStore
from olearn_core.storage.database import Database
from olearn_core.storage.decision_log import DecisionLog, decode_decision
from olearn_core.storage.signing_keys import SigningKeys
from olearn_core.storage.tables import dead_letters, shard_bases
from olearn_core.storage.versions import VersionStore
from tests.golden import released
from tests.golden.make import keeper
from tests.support import oracle
from tests.support.events import outcome, stream
from tests.support.services import cells_of, eventually, publish, running, settings_for
from tests.support.workers import NOW, Rig, WrittenLog, column_names, learning

pytestmark = pytest.mark.promise("P19")


@pytest.fixture(params=released.REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    """Each schema that was ever released."""
    return str(request.param)


@pytest.fixture
async def upgraded(revision: str, database_url: str) -> AsyncIterator[Database]:
    """A database that a release has left, with today's schema."""
    await released.restore(revision, database_url)
    async with AsyncExitStack() as stack:
        database = await Database.open(DatabaseSettings(url=database_url), stack)
        assert await schema.current_revision(database) == revision
        await schema.upgrade(database)
        await schema.check(database)
        yield database


def log_of(revision: str) -> WrittenLog:
    """Return the log that the release has read, so far as anybody will ask for it again."""
    log = WrittenLog()
    for number, part in released.expectation(revision)["partitions"].items():
        read = [b"read"] * part["next_offset"]
        if "last" in part:  # what later releases know the log by
            read[-1] = part["last"].encode()
        log.write(*read, partition=Partition("outcomes", int(number)))
    return log


async def keys_of(database: Database) -> dict[int, Any]:
    keys = SigningKeys(database)
    await keys.load()
    return dict(keys.all())


def repeats(part: dict[str, Any]) -> list[bytes]:
    """Return everything that a shard has counted once more, as if somebody else had done it."""
    other = {"agent_name": "zoe", "latency_ms": 1}
    ids = [(e, i, {}) for e, i in part["executions"]]
    ids += [(e, i, {"status": ..., "quality_score": 1}) for e, i in part["ratings"]]
    again = [outcome(tenant_id=t, event_id=i, **other | more) for t, i, more in ids]
    decided = [outcome(decision_id=token, event_id=token, **other) for token in part["decisions"]]
    return again + decided


def duplicates(rig: Rig) -> int:
    return sum(shard.counters().get("duplicates", 0) for shard in rig.worker.shards.values())


async def test_sums_of_a_release_are_read_and_learned_on(revision: str, upgraded: Database) -> None:
    """By two owners after each other, the second from what the first has saved."""
    log, then = log_of(revision), released.cells(revision)
    more = stream(5, 300, NOW)
    async with learning(upgraded, log) as rig:
        await rig.caught_up()
        assert cells_of(rig.table) == then
        log.write(*more)
        await rig.caught_up()
    expected = added(then, oracle.expected(more, NOW))
    async with learning(upgraded, log) as rig:
        await rig.caught_up()
        assert cells_of(rig.table) == expected


def added(one: oracle.Cells, other: oracle.Cells) -> oracle.Cells:
    return {c: dict(Counter(one.get(c, {})) + Counter(other.get(c, {}))) for c in {*one, *other}}


async def test_every_event_that_a_release_has_counted_is_known_again(
    revision: str, upgraded: Database
) -> None:
    """Executions, ratings and decisions, those in segments and those in deltas."""
    log, expected = log_of(revision), released.expectation(revision)
    async with learning(upgraded, log, keys=await keys_of(upgraded)) as rig:
        await rig.caught_up()
        before, sent = duplicates(rig), 0
        for number, part in expected["partitions"].items():
            again = repeats(part)
            log.write(*again, partition=Partition("outcomes", int(number)))
            sent += len(again)
        await rig.caught_up()
        assert sent > 200
        assert duplicates(rig) - before == sent
        assert cells_of(rig.table) == released.cells(revision)


async def test_logged_decisions_of_a_release_are_kept_and_not_counted(upgraded: Database) -> None:
    """What it has learned does not say which of them came back."""
    log = DecisionLog(upgraded)
    first, end = await log.bounds()
    records = await log.read(first, 100)
    expected = released.expectation("0003")["logged_decisions"] if records else []
    assert {decode_decision(record.value or b"").nonce for record in records} == set(expected)
    assert end - first == len(expected)
    tick = Tick(0, NOW)
    finder = CellFinder(Statistics(("decided",)), LearningSettings(), NOW)
    assert records == [] or not DecisionReader().read(records, finder, tick).outcomes
    assert tick.counts["not_counted"] == len(expected)
    assert tick.dead_letters == []


async def test_dead_letters_of_a_release_are_kept(revision: str, upgraded: Database) -> None:
    async with upgraded.read() as connection:
        count = await connection.execute(select(func.count()).select_from(dead_letters))
        assert count.scalar() == released.expectation(revision)["dead_letters"]


async def test_versions_of_a_release_verify_and_load(
    revision: str, upgraded: Database, tmp_path: Path
) -> None:
    versions = await VersionStore(upgraded).all()
    assert {version.version_number for version in versions} == {1, 2}
    for version in versions:
        artifact = await VersionStore(upgraded).artifact(version.id)
        assert hashlib.sha256(artifact).hexdigest() == version.sha256
        if version.model_type == "agent_selection":
            assert json.loads(artifact)["covered_offsets"] == version.covered_offsets
        else:
            assert dict(from_bytes(artifact).totals()) == version.metrics["sums"]
            assert read_header(artifact)["model_type"] == version.model_type
    assert await keeper(upgraded, tmp_path).check() == []
    saved = await keeper(upgraded, tmp_path).save()
    active = {version.model_type: version.id for version in versions if version.status == "active"}
    assert {version.model_type: version.parent_version_id for version in saved} == active


async def test_adjustments_of_a_release_count(revision: str, upgraded: Database) -> None:
    expected = released.expectation(revision)["adjustments"]
    tables = await AdjustmentStore(upgraded).load(column_names())
    found = [
        [*key, {c: n for c, n in table.totals().items() if n}] for key, table in tables.items()
    ]
    assert found == expected


async def test_a_service_answers_from_what_a_release_has_learned(
    revision: str, tmp_path: Path, database_url: str
) -> None:
    """Upgraded by itself on SQLite; its own log begins beside the shards that it found."""
    await released.restore(revision, database_url)
    then = oracle.totals(of_tenant(released.cells(revision), "default"))
    async with running(settings_for(tmp_path, database_url)) as run:
        service = run.service
        assert service.ailments.warnings == []

        def learned() -> dict[str, int]:
            _, _, sums = service.view.exact("default")
            totals = sums.sum(axis=(0, 1)).tolist() if sums.size else []
            return {c: n for c, n in zip(service.view.columns, totals, strict=False) if n}

        assert learned() == then
        await publish(service.publisher, [outcome(event_id="new")])
        await eventually(lambda: learned()["executions"] == then["executions"] + 1)


def of_tenant(cells: oracle.Cells, tenant: str) -> oracle.Cells:
    return {cell: sums for cell, sums in cells.items() if cell[0] == tenant}


# ---- what is newer


async def test_a_newer_schema_is_refused(database: Database) -> None:
    """With the way out, and nothing is touched: not by checking, and not by upgrading."""
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuses in (schema.check, schema.upgrade):
        with pytest.raises(StorageError, match=r"9999.*newer.*upgrade olearn"):
            await refuses(database)
    assert await schema.current_revision(database) == "9999"


def newer(blob: bytes) -> bytes:
    """Return a table as an olearn of the future might write it, its checksums right."""
    with np.load(io.BytesIO(blob)) as arrays:
        header, values = json.loads(arrays["header"].tobytes()), arrays["values"]
    text = json.dumps(header | {"schema_version": header["schema_version"] + 1}).encode()
    digest = np.frombuffer(hashlib.sha256(text + values.tobytes()).digest(), np.uint8)
    file = io.BytesIO()
    np.savez(file, header=np.frombuffer(text, np.uint8), values=values, sha256=digest)
    return file.getvalue()


async def test_a_shard_that_a_newer_olearn_has_written_stays_as_it_is(
    revision: str, upgraded: Database
) -> None:
    """Its partition is not owned and nothing is learned; the worker says which olearn to take."""
    async with upgraded.write() as connection:
        rows = await connection.execute(
            select(shard_bases.c.sums).where(shard_bases.c.shard_id == 1).limit(1)
        )
        blob = bytes(rows.scalar_one())
        update = shard_bases.update().where(shard_bases.c.sums == blob).values(sums=newer(blob))
        await connection.execute(update)
    log = log_of(revision)
    log.write(outcome(event_id="new"))
    async with learning(upgraded, log) as rig:
        problems = rig.worker.problems
        await eventually(lambda: "upgrade olearn" in problems.get("outcomes/0", ""))
        assert Partition("outcomes", 0) not in rig.worker.shards


# ---- tables by themselves


@pytest.mark.parametrize("path", released.CODECS, ids=lambda path: path.stem)
def test_a_table_that_a_release_has_written_is_read(path: Path) -> None:
    """The hash of its content was written down when it was made."""
    table = from_bytes(path.read_bytes())
    hashes = {released.expectation(revision)["codec_hash"] for revision in released.REVISIONS}
    assert content_hash(table) in hashes
    assert table.columns == ("executions", "success")
    assert table.totals() == {"executions": 3, "success": -1_993}
    assert read_header(path.read_bytes())["label"] == "für immer"
    with pytest.raises(CorruptArtifactError, match="upgrade olearn"):
        from_bytes(newer(path.read_bytes()))


def test_there_is_golden_state_of_every_schema_but_the_newest() -> None:
    """A release makes its own (tests/golden/make.py) before the next migration is written."""
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    revisions = {script.revision for script in scripts.walk_revisions()}
    assert revisions - {schema.newest_revision()} <= set(released.REVISIONS)
    assert released.CODECS
