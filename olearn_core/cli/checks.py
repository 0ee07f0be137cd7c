"""What must be there before a service starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from olearn_core.config import DatabaseSettings, KafkaSettings, Settings, masked_url
from olearn_core.errors import ConfigError, OlearnError, SourceError, StorageError
from olearn_core.sources.kafka import security
from olearn_core.storage import schema
from olearn_core.storage.database import Database, brief


async def check_all(settings: Settings) -> list[str]:
    """
    Check the model folder, the database and the broker; return what deserves a warning.

    :raises OlearnError: naming everything that is wrong at once
    """
    problems: list[str] = []
    warnings: list[str] = []
    try:
        check_folder(settings.versions.storage_path)
    except OlearnError as error:
        problems.append(str(error))
    try:
        await check_database(settings.database, may_upgrade=settings.database.upgrades_on_start)
    except OlearnError as error:
        problems.append(str(error))
    try:
        warnings = await check_broker(settings.kafka)
    except OlearnError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return warnings


def check_folder(folder: Path) -> None:
    """
    Make sure that versions can be exported.

    :raises ConfigError: where the folder cannot be made or written to
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"the model folder {folder} is not writable ({error.strerror}):"
            " choose another with [versions] storage_path or MODEL_STORAGE_PATH"
        ) from error


async def check_database(settings: DatabaseSettings, *, may_upgrade: bool = False) -> None:
    """
    Make sure that the database answers and has the schema this olearn needs.

    :param may_upgrade: whether the service will make or mend the schema by itself
    :raises StorageError: saying what is wrong
    """
    if not may_upgrade:
        _refuse_missing_file(settings)
    async with AsyncExitStack() as stack:
        with database_errors(settings):
            database = await Database.open(settings, stack)
            if not may_upgrade:
                await schema.check(database)


def _refuse_missing_file(settings: DatabaseSettings) -> None:
    """Opening would make the file, and an empty one looks like a database."""
    path = make_url(settings.url).database
    if settings.is_sqlite and path and not Path(path).exists():
        raise StorageError(
            f"there is no database {Path(path).absolute()}: go to the service's folder, or set"
            " [database] url; `olearn db upgrade` makes a new one"
        )


@contextmanager
def database_errors(settings: DatabaseSettings) -> Iterator[None]:
    """Tell the database's own errors as ours."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(
            f"the database {masked_url(settings.url)} refuses: {brief(error)};"
            " see [database] url in the configuration"
        ) from error


async def check_broker(settings: KafkaSettings) -> list[str]:
    """
    Make sure that the broker answers where one is configured; warn where the topic is missing.

    :raises SourceError: where it does not
    """
    if not settings.in_use:
        return []
    servers, topic = settings.bootstrap_servers, settings.outcome_topic
    if not servers:
        raise SourceError("Kafka is enabled, but [kafka] bootstrap_servers is empty")
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, **security(settings))
    try:
        with _silent("aiokafka"):
            await admin.start()
            topics = await admin.list_topics()  # asking for one by name may create it
    except (KafkaError, OSError) as error:
        raise SourceError(
            f"cannot reach Kafka at {servers}: {error}; see [kafka] in the configuration"
        ) from error
    finally:
        await admin.close()
    if topic not in topics:
        return [f"Kafka at {servers} has no topic {topic!r} yet: learning waits until it is made"]
    return []


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a library from logging what it raises as well."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
