"""`olearn demo`: watch a service learn a simulated fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from olearn_core.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from olearn_core.client import OlearnClient
    from olearn_core.config import Settings
    from olearn_core.evaluation.fleet import Fleet
    from olearn_core.evaluation.simulation import Simulation

DECISIONS = 3_000
FEWEST = 500
CURIOSITY = 6.0

Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for any.")]
Exit = Annotated[
    bool, typer.Option("--exit", help="End after learning, with exit code 0 only if it learned.")
]
Decisions = Annotated[int, typer.Option(min=FEWEST, help="How many decisions to simulate.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the simulated world.")]


def demo(
    port: Port = 8_000, end: Exit = False, decisions: Decisions = DECISIONS, seed: Seed = 0
) -> None:
    """Start a service in a temporary folder and watch it learn a simulated fleet."""
    log_to_stderr("WARNING")
    with TemporaryDirectory(prefix="olearn-demo-") as folder:
        settings = demo_settings(Path(folder), port)
        learned = asyncio.run(_demo(settings, decisions, seed, end=end))
    if end and not learned:
        raise typer.Exit(1)


def demo_settings(folder: Path, port: int) -> Settings:
    """Return the defaults, whatever is configured here, but for the demo's folder and port."""
    from olearn_core.config import (
        ApiSettings,
        AuthSettings,
        DatabaseSettings,
        KafkaSettings,
        Settings,
        VersionSettings,
    )

    return Settings.model_construct(
        api=ApiSettings(port=port),
        auth=AuthSettings(),
        database=DatabaseSettings(url=f"sqlite+aiosqlite:///{folder / 'olearn.db'}"),
        kafka=KafkaSettings(enabled=False),
        versions=VersionSettings(storage_path=folder / "models"),
        models={"agent_selection": {"curiosity": CURIOSITY}},
    )


@contextmanager
def _key_file_as_before(path: Path) -> Iterator[Callable[[], None]]:
    """
    Leave no key behind; it lies in this folder so that other commands find it meanwhile.

    Gives what takes it away, to be called before anything that might end the process.
    """
    was_there = path.exists()

    def take_away() -> None:
        if not was_there:
            path.unlink(missing_ok=True)

    try:
        yield take_away
    finally:
        take_away()


async def _demo(settings: Settings, decisions: int, seed: int, *, end: bool) -> bool:
    """Serve and simulate; return whether the service has learned."""
    from olearn_core.evaluation.fleet import Fleet

    with _key_file_as_before(settings.auth.bootstrap_key_file) as take_away:
        return await _watched(settings, Fleet(decisions, seed), take_away, end=end)


async def _watched(
    settings: Settings, fleet: Fleet, take_away: Callable[[], None], *, end: bool
) -> bool:
    from olearn_core.api.server import serve

    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    def on_ready(url: str, _: object) -> None:
        ready.set_result(url)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop=stop, on_ready=on_ready, before_kill=take_away))
        key_file = settings.auth.bootstrap_key_file
        working = tasks.create_task(_work(ready, fleet, key_file))
        stopped = tasks.create_task(stop.wait())  # by Ctrl-C
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        if end:
            take_away()
            stop.set()
        await asyncio.wait([working])
    return not working.cancelled() and working.result()


async def _work(ready: asyncio.Future[str], fleet: Fleet, key_file: Path) -> bool:
    from olearn_core.auth.bootstrap import read_key
    from olearn_core.cli import demo_report
    from olearn_core.client import OlearnClient
    from olearn_core.evaluation.learned import has_learned, parts
    from olearn_core.evaluation.simulation import REPORTS_UNDER_WAY

    url = await ready
    demo_report.introduce(url, fleet, CURIOSITY)
    connections, api_key = REPORTS_UNDER_WAY + 1, read_key(key_file)
    async with OlearnClient(url, connections=connections, api_key=api_key) as client:
        simulation = await _simulate(fleet, client)
    tenths = parts(fleet, simulation.chosen)
    learned = has_learned(tenths)
    demo_report.conclude(url, fleet, simulation, tenths, learned=learned)
    return learned


async def _simulate(fleet: Fleet, client: OlearnClient) -> Simulation:
    from olearn_core.cli.demo_report import LiveReport
    from olearn_core.evaluation.simulation import Simulation

    with LiveReport(fleet) as live:
        simulation = Simulation(fleet, client, live.chosen)
        await simulation.run()
    return simulation
