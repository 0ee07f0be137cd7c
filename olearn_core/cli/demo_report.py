"""What the demo prints: the fleet, its progress, and what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from olearn_core.cli.output import console, number, percent, print_table, usd
from olearn_core.evaluation.fleet import AGENTS, DEGRADED, NEWCOMER, PROFILES, Fleet
from olearn_core.evaluation.learned import ENOUGH, JUDGED_PARTS, Part, Turn, adoption, departure
from olearn_core.evaluation.simulation import Simulation

LATELY = 200


def introduce(url: str, fleet: Fleet, curiosity: float) -> None:
    """Say what runs, and who works there."""
    typer.echo(f"olearn serves at {url} (embedded log and SQLite in a temporary folder)")
    typer.echo(
        f"Options: the defaults, but [models.agent_selection] curiosity = {curiosity:g}:"
        " in a fleet that changes it pays to try more.\n"
    )
    rows = [
        (
            profile.name,
            ", ".join(f"{task} {share:.0%}" for task, share in profile.specialities.items()),
            _fate(place, fleet),
            number(float(fleet.latency_ms[place]), "ms"),
            usd(float(fleet.cost_usd[place])),
        )
        for place, profile in enumerate(PROFILES)
    ]
    columns = ("agent", "succeeds at", "fate", "latency", "cost")
    title = f"A simulated fleet does {fleet.size:,} tasks; the service knows nothing of it yet."
    print_table(columns, rows, title=title, left=3)


def _fate(place: int, fleet: Fleet) -> str:
    if place == NEWCOMER:
        return f"joins at task {fleet.joins_at:,}"
    return f"breaks at task {fleet.degrades_at:,}" if place == DEGRADED else ""


class LiveReport:
    """A progress bar that says how good the latest choices were."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._best = fleet.best
        self._hits: list[bool] = []
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("best choices lately {task.fields[best]}"),
            TimeElapsedColumn(),
            console=console(),
        )
        self._bar = self._progress.add_task("simulated tasks", total=fleet.size, best="-")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def chosen(self, number: int, agent: int) -> None:
        """Show one more decision."""
        if number in (self._fleet.joins_at, self._fleet.degrades_at):
            self._progress.console.print(f"task {number:,}: {_event(number, self._fleet)}")
        self._hits.append(agent == self._best[number])
        lately = self._hits[-LATELY:]
        self._progress.update(self._bar, advance=1, best=f"{sum(lately) / len(lately):.0%}")


def _event(number: int, fleet: Fleet) -> str:
    if number == fleet.joins_at:
        return f"{AGENTS[NEWCOMER]} joins; nobody tells the service how good it is"
    return f"{AGENTS[DEGRADED]} breaks; nobody tells the service"


def conclude(
    url: str, fleet: Fleet, simulation: Simulation, tenths: Sequence[Part], *, learned: bool
) -> None:
    """Say what was learned, and how to look further."""
    _print_tenths(tenths)
    _print_turns(fleet, simulation)
    median, high = np.percentile(simulation.latency_ms, [50, 95]).tolist()
    typer.echo(f"A decision took {median:.1f} ms (median), {high:.1f} ms (95th percentile),")
    typer.echo("over HTTP, with the fleet's simulation in the same process.")
    _print_verdict(tenths, learned=learned)
    typer.echo(f"\nLook further, from this folder: olearn agents list --by task_type --url {url}")


def _print_tenths(tenths: Sequence[Part]) -> None:
    rows = [
        (
            f"{part.first + 1:,}-{part.last:,}",
            percent(part.best_share),
            f"{part.reward:.3f}",
            f"{part.random_reward:.3f}",
            f"{part.best_reward:.3f}",
            percent(part.captured),
        )
        for part in tenths
    ]
    columns = ("tasks", "best choices", "mean reward", "random", "best possible", "gain captured")
    title = "Mean reward (success, quality, latency, cost as the service weighs them, 0 to 1)"
    print_table(columns, rows, title=title)


def _print_turns(fleet: Fleet, simulation: Simulation) -> None:
    adopted, left = adoption(fleet, simulation.chosen), departure(fleet, simulation.chosen)
    pace = simulation.seconds / fleet.size
    rows = [
        (f"{AGENTS[NEWCOMER]} does half of the tasks that suit it best", *_turn(adopted, pace)),
        (f"{AGENTS[DEGRADED]} does but a quarter of its tasks", *_turn(left, pace)),
    ]
    columns = ("until", "decisions", "of these task types", "seconds")
    print_table(columns, rows, title="How long the service took to notice")


def _turn(turn: Turn | None, seconds_each: float) -> tuple[object, ...]:
    if turn is None:
        return ("not yet", None, None)
    return (turn.decisions, turn.concerned, f"{turn.decisions * seconds_each:.1f} s")


def _print_verdict(tenths: Sequence[Part], *, learned: bool) -> None:
    judged = tenths[-JUDGED_PARTS:]
    gained = sum(part.reward - part.random_reward for part in judged)
    share = gained / sum(part.best_reward - part.random_reward for part in judged)
    verdict = "It has learned" if learned else "It has not learned enough"
    typer.echo(
        f"\n{verdict}: the last {JUDGED_PARTS} tenths took {share:.0%} of what the best choices"
        f" gain over random ones ({ENOUGH:.0%} asked for)."
    )
