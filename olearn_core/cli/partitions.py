"""`olearn partitions`: how far each one is learned, and where it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json, print_table, when
from olearn_core.errors import ConfigError, SourceError
from olearn_core.sources.source import Partition
from olearn_core.times import now_rfc3339

if TYPE_CHECKING:
    from olearn_core.config import Settings
    from olearn_core.storage.database import Database
    from olearn_core.storage.shards import ShardHeader

app = typer.Typer(help="Partitions of the log, as the database knows them.", no_args_is_help=True)

COLUMNS = ("partition", "source", "group", "owner", "cluster", "updated")
NUMBERS = ("epoch", "next offset", "version")
EARLIEST, LATEST, START = "earliest", "latest", "start"


def _partition(text: str) -> Partition:
    topic, _, number = text.rpartition("/")
    if not (topic and number.isdecimal() and len(number) < 10):
        raise typer.BadParameter("it looks like agent-outcomes/0")
    return Partition(topic, int(number))


def _place(text: str) -> str:
    if text not in (EARLIEST, LATEST, START) and not (text.isdecimal() and len(text) < 19):
        raise typer.BadParameter(f"it is an offset, {EARLIEST}, {LATEST} or {START}")
    return text


Where = Annotated[
    Partition,
    typer.Argument(parser=_partition, metavar="TOPIC/NUMBER", help="Such as agent-outcomes/0."),
]
To = Annotated[
    str,
    typer.Option(
        parser=_place,
        metavar="OFFSET|earliest|latest|start",
        help="The first one to learn; start: where kafka.start says.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason = Annotated[str, typer.Option(help="Why, for the ledger.")]
Group = Annotated[str, typer.Option(help="The consumer group that learns from now on.")]


@app.command("list")
def list_partitions(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the partitions that were learned, and how far."""
    from olearn_core.config import load_settings

    headers = asyncio.run(_headers(load_settings(config)))
    if as_json:
        print_json([_fields(header) for header in headers])
    else:
        print_table((*COLUMNS, *NUMBERS), map(_cells, headers), left=len(COLUMNS))


@app.command()
def reset(
    partition: Where,
    to: To,
    yes: Yes = False,
    reason: Reason = "asked for by an operator",
    config: ConfigFile = None,
) -> None:
    """
    Let a partition go on at another offset; what was learned stays.

    For a topic or cluster that was made anew, when the old offsets mean nothing.
    """
    from olearn_core.config import load_settings

    asyncio.run(_reset(load_settings(config), partition, to, reason, ask=not yes))


@app.command()
def adopt(group: Group, config: ConfigFile = None) -> None:
    """Give all partitions to another consumer group, where it is changed on purpose."""
    from olearn_core.config import load_settings

    asyncio.run(_adopt(load_settings(config), group))


async def _headers(settings: Settings) -> list[ShardHeader]:
    from olearn_core.storage.shards import ShardStore

    async with _opened(settings) as database:
        return await ShardStore(database).headers()


async def _reset(
    settings: Settings, partition: Partition, to: str, reason: str, *, ask: bool
) -> None:
    from olearn_core.storage.shard_resets import ShardResets

    source = _source(settings, partition)
    async with _opened(settings) as database:
        resets = ShardResets(database)
        header = await resets.find(source, *partition)
        offset = await _resolved(settings, database, partition, to)
        there = "where [kafka] start says" if offset is None else f"at offset {offset}"
        if ask:
            question = f"{partition} stands at offset {header.next_offset}. Go on {there}?"
            typer.confirm(question, abort=True)
        await resets.reset(source, *partition, offset, reason)
    typer.echo(f"{partition} goes on {there}; it stood at offset {header.next_offset}")


async def _resolved(
    settings: Settings, database: Database, partition: Partition, to: str
) -> int | None:
    """Return the offset that is meant, None where it is settled by whoever claims the shard."""
    if to == START:
        return None
    first, end = await _bounds(settings, database, partition)
    offset = {EARLIEST: first, LATEST: end}.get(to)
    if offset is None:
        offset = int(to)
    if not first <= offset <= end:
        raise SourceError(f"the log begins at offset {first} and ends before {end}, not at {to}")
    return offset


async def _bounds(settings: Settings, database: Database, partition: Partition) -> tuple[int, int]:
    from olearn_core.sources.embedded import DECISIONS
    from olearn_core.sources.kafka_offsets import bounds
    from olearn_core.storage.decision_log import DecisionLog
    from olearn_core.storage.outcome_log import OutcomeLog

    if settings.kafka.in_use:
        return await bounds(settings.kafka, partition)
    log = DecisionLog(database) if partition == DECISIONS else OutcomeLog(database)
    return await log.bounds()


async def _adopt(settings: Settings, group: str) -> None:
    from olearn_core.sources.kafka import KafkaSource
    from olearn_core.storage.shard_resets import ShardResets

    if not settings.kafka.in_use:
        raise ConfigError("the embedded log has no consumer groups; this is for Kafka")
    async with _opened(settings) as database:
        adopted = await ShardResets(database).adopt(KafkaSource.name, group)
    typer.echo(f"{', '.join(adopted) or 'nothing new'}: group {group!r} learns from now on")
    if settings.kafka.group != group:
        typer.echo(f"[kafka] group is {settings.kafka.group!r} yet: set it to {group!r}")


def _source(settings: Settings, partition: Partition) -> str:
    """Return what stands in the key of a partition's shard."""
    from olearn_core.events import OF_DECISIONS
    from olearn_core.sources.embedded import DECISIONS, EmbeddedLog
    from olearn_core.sources.kafka import KafkaSource

    kafka = settings.kafka
    name = KafkaSource.name if kafka.in_use else EmbeddedLog.name
    topic = kafka.decisions_topic if kafka.in_use else DECISIONS.topic
    return f"{name}{OF_DECISIONS}" if partition.topic == topic else name


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the configured database, which has to be there with its schema."""
    from olearn_core.cli.checks import check_database, database_errors
    from olearn_core.storage.database import Database

    await check_database(settings.database)
    async with AsyncExitStack() as stack:
        with database_errors(settings.database):
            yield await Database.open(settings.database, stack)


def _fields(header: ShardHeader) -> dict[str, Any]:
    return {
        "topic": header.topic,
        "partition": header.partition,
        "source": header.source,
        "group": header.owner_group,
        "owner": header.owner,
        "cluster": header.cluster_id,
        "updated_at": now_rfc3339(header.updated_at),
        "epoch": header.epoch,
        "next_offset": header.next_offset,
        "version": header.version,
    }


def _cells(header: ShardHeader) -> tuple[object, ...]:
    topic, number, *others = _fields(header).values()
    source, group, owner, cluster, updated, *numbers = others
    return (f"{topic}/{number}", source, group, owner, cluster, when(updated), *numbers)
