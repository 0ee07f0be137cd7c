"""Services for tests: started, watched, stopped in order or crashed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import DatabaseSettings, Settings
from olearn_core.plugins import Plugins
from olearn_core.service import Service
from olearn_core.sources.publisher import Publisher
from olearn_core.statistics import Statistics
from olearn_core.storage import schema
from olearn_core.storage.database import Database
from tests.support.credentials import KEY_FILE

PATIENCE_SECONDS = 60.0
# Tansu forgets a leader that died while it shared out partitions after more than 90 s.
GROUP_SECONDS = 150.0


async def eventually(
    condition: Callable[[], Any],
    what: str | Callable[[], str] = "",
    seconds: float = PATIENCE_SECONDS,
) -> Any:
    """Return what `condition` says once it is true; fail with `what` where it stays false."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                said = condition()
                if isinstance(said, Awaitable):
                    said = await said
                if said:
                    return said
                await asyncio.sleep(0.005)
    except TimeoutError:
        said = what() if callable(what) else what
        raise AssertionError(f"still not so after {seconds} s: {said or condition}") from None


def settings_for(folder: Path, url: str, **sections: dict[str, Any]) -> Settings:
    """Return settings of a quick service on this database."""
    quick = {"batch_timeout_seconds": 0.01, "checkpoint_interval_seconds": 0.02}
    quick |= {"poll_interval_seconds": 0.05} | sections.pop("learning", {})
    versions = {"storage_path": folder / "models"} | sections.pop("versions", {})
    auth = {"bootstrap_key_file": folder / KEY_FILE} | sections.pop("auth", {})
    return Settings(database={"url": url}, learning=quick, versions=versions, auth=auth, **sections)


async def open_database(url: str, stack: AsyncExitStack) -> Database:
    """Open a database with the newest schema."""
    database = await Database.open(DatabaseSettings(url=url), stack)
    await schema.upgrade(database)
    return database


async def cancelled(task: asyncio.Task[None]) -> None:
    """End a task wherever it is, as kill -9 ends a process."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def unlocked(database: Database) -> None:
    """Wait until what was cancelled holds SQLite's lock no more: its cursors must be collected."""

    async def free() -> bool:
        gc.collect()
        try:
            async with database.write():
                return True
        except SQLAlchemyError as error:
            return "locked" not in str(error)

    await eventually(free, "nobody holds the database's lock")


class Running:
    """A service and the task that runs it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(service.run(self._stop))

    async def ready(self) -> None:
        await eventually(lambda: self.service.is_ready or self.task.done(), "ready")
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        self._stop.set()
        await self.task

    async def crash(self) -> None:
        """End without a last checkpoint or word, as far as that goes without a process."""
        await cancelled(self.task)
        gc.collect()  # as with the process, cursors that hold SQLite's lock are gone


@asynccontextmanager
async def running(
    settings: Settings, plugins: Plugins | None = None, *, until_ready: bool = True
) -> AsyncIterator[Running]:
    """A running service; it is stopped at the end, where the test has not ended it."""
    async with AsyncExitStack() as stack:
        await migrated(settings)
        run = Running(await Service.open(settings, stack, plugins))
        try:
            if until_ready:
                await run.ready()
            yield run
        finally:
            if not run.task.done():
                await run.stop()


async def migrated(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        await open_database(settings.database.url, stack)


async def publish(publisher: Publisher, records: Sequence[bytes]) -> None:
    """Append records in their order."""
    sent = [
        asyncio.ensure_future(publisher.publish(str(i), record)) for i, record in enumerate(records)
    ]
    await asyncio.gather(*sent)


async def received(service: Service, count: int) -> None:
    """Wait until so many records are learned and saved."""

    def all_saved() -> bool:
        shards = service.worker.shards.values()
        return service.view.counters().get("received", 0) >= count and all(
            shard.tick is None for shard in shards
        )

    await eventually(all_saved, lambda: f"{count} records, {dict(service.view.counters())}")


def table_of(service: Service) -> Statistics:
    """Return the sum of the service's own shards."""
    total = Statistics(service.view.columns)
    for shard in service.worker.shards.values():
        total.merge(shard.table)
    return total


def cells_of(table: Statistics) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return a table as the oracle writes one."""
    return {(*cell[:4], *cell.bucket): sums for cell, sums in table.items()}
