"""`olearn replay`: send a file of recorded tasks as outcomes."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, ConfigFile, Url
from olearn_core.cli.output import number, percent, print_json, print_table

if TYPE_CHECKING:
    from rich.progress import Progress

    from olearn_core.config import Settings
    from olearn_core.evaluation.replay import Job, Sent
    from olearn_core.evaluation.sender import Sender


class Via(StrEnum):
    """Which way outcomes go."""

    HTTP = "http"
    KAFKA = "kafka"


class Agents(StrEnum):
    """Who chooses the agents."""

    RANDOM = "random"
    ASK = "ask"


DataFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="One task a line, as JSON with what every agent did on it; .gz or plain.",
    ),
]
ViaOption = Annotated[
    Via | None,
    typer.Option(help="Way of the outcomes; by default Kafka where it is configured, else HTTP."),
]
AgentsOption = Annotated[
    Agents | None, typer.Option(help="Agents at random (the default), or as the service decides.")
]
EveryAgent = Annotated[bool, typer.Option("--all", help="Every agent on every task, once each.")]
Seed = Annotated[int, typer.Option(help="Of the order of the tasks and of random agents.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Most tasks to take.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=10_000, help="Outcomes that are under way at once.")
]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Most outcomes a second.")]
Run = Annotated[
    str | None,
    typer.Option(help="Begins every event_id; repeat a run's name and nothing counts twice."),
]


@dataclass(frozen=True, slots=True)
class Way:
    """How outcomes are sent."""

    settings: Settings
    via: Via
    url: str
    concurrency: int | None
    rate: float | None
    run: str


def replay(
    file: DataFile,
    via: ViaOption = None,
    agents: AgentsOption = None,
    every: EveryAgent = False,
    seed: Seed = 0,
    limit: Limit = None,
    concurrency: Concurrency = None,
    rate: Rate = None,
    run: Run = None,
    url: Url = DEFAULT_URL,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a file of recorded tasks as outcomes that happen now."""
    from olearn_core.config import load_settings
    from olearn_core.evaluation.replay import Chooser, jobs
    from olearn_core.evaluation.tasks import read_tasks

    if every and agents is not None:
        raise typer.BadParameter("--all and --agents exclude each other")
    settings = load_settings(config)
    chooser = Chooser.ALL if every else Chooser(agents or Agents.RANDOM)
    todo = jobs(read_tasks(file), chooser, seed, limit)
    via = via or (Via.KAFKA if settings.kafka.in_use else Via.HTTP)
    way = Way(settings, via, url, concurrency, rate, run or uuid.uuid4().hex[:8])
    sent = asyncio.run(_send(todo, way))
    if as_json:
        print_json(_as_json(sent, way))
    else:
        _print(sent, way)
    if sent.failures:
        raise typer.Exit(1)


async def _send(todo: list[Job], way: Way) -> Sent:
    from olearn_core.client import OlearnClient
    from olearn_core.evaluation.replay import Replay

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(OlearnClient(way.url))
        sender, concurrency = await _sender(way, stack)
        if way.via is Via.HTTP:
            await client.status()  # nobody there is one clear error, not one for each outcome
        progress = stack.enter_context(_progress())
        bar = progress.add_task(f"sending via {way.via}", total=len(todo))
        replaying = Replay(way.run, sender, client, lambda: progress.advance(bar))
        return await replaying.send(todo, concurrency, way.rate)


async def _sender(way: Way, stack: AsyncExitStack) -> tuple[Sender, int]:
    if way.via is Via.KAFKA:
        from olearn_core.evaluation.kafka_sender import KafkaSender

        sender = await KafkaSender.open(way.settings.kafka, stack)
        return sender, way.concurrency or KafkaSender.concurrency
    from olearn_core.evaluation.sender import HttpSender

    concurrency = way.concurrency or HttpSender.concurrency
    return await HttpSender.open(way.url, concurrency, stack), concurrency


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from olearn_core.cli.output import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console(to_stderr=True))


def _as_json(sent: Sent, way: Way) -> dict[str, Any]:
    return {
        "run": way.run,
        "via": way.via,
        "sent": sent.taken,
        "by_agent": dict(sorted(sent.by_agent.items())),
        "failures": dict(sent.failures),
        "seconds": round(sent.seconds, 3),
        "outcomes_per_second": round(sent.rate, 1),
    }


def _print(sent: Sent, way: Way) -> None:
    rows = [
        (agent, count, percent(sent.successes[agent] / count))
        for agent, count in sorted(sent.by_agent.items())
    ]
    print_table(("agent", "outcomes", "success"), rows)
    for reason, count in sent.failures.most_common():
        typer.echo(f"not taken: {count:,} x {reason}", err=True)
    typer.echo(
        f"run {way.run}: {sent.taken:,} outcomes sent via {way.via} in {sent.seconds:.1f} s"
        f" ({number(sent.rate, 'outcomes/s')}), {sent.failures.total():,} failures"
    )
