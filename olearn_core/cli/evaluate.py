"""`olearn evaluate`: how well would a policy have chosen?"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.evaluate_log import evaluate_log
from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json, print_table, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from olearn_core.evaluation.playing.comparison import Comparison
    from olearn_core.evaluation.playing.pool import Pool
    from olearn_core.evaluation.playing.world import Change, Kind

DEFAULT_POLICIES = ("agent_selection", "random", "ts_global", "ts_per_type", "lin_ts", "classic")
COLUMNS = (
    *("policy", "mean", "± sd", "last quarter", "normalised", "difference", "± se"),
    *("late success", "late cost"),
)
OF_FILES = (
    *("agents", "pool", "pools", "preset", "passes", "seeds", "batch"),
    *("span", "swap", "join", "kill"),
)
OF_THE_LOG = ("days", "tenant", "least_effective", "decisions")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Rewards(StrEnum):
    """What an outcome is worth."""

    SUCCESS = "success"
    QUALITY = "quality"
    UTILITY = "utility"


class Presets(StrEnum):
    """What agents are wanted for."""

    QUALITY = "quality"
    BALANCED = "balanced"
    THRIFTY = "thrifty"


def _span(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None or not float(match[1]):
        raise typer.BadParameter("it looks like 7d, 12h, 30m or 90s")
    return float(match[1]) * SECONDS[match[2]]


Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE...",
        exists=True,
        dir_okay=False,
        readable=True,
        help="What every agent did on each task, one task a line; several are played in order.",
    ),
]
Agents = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Which agents; by default all of the files.")
]
PoolName = Annotated[str | None, typer.Option("--pool", help="Agents by name of their pool.")]
PoolFile = Annotated[
    Path | None,
    typer.Option("--pools", exists=True, dir_okay=False, help="JSON: agents by pool."),
]
RewardOption = Annotated[
    Rewards | None,
    typer.Option(help="What an outcome is worth; of files success, of the log utility."),
]
PresetOption = Annotated[
    Presets | None, typer.Option("--preset", help="What policies choose by, if not the reward.")
]
Passes = Annotated[int, typer.Option(min=1, max=1_000, help="How often the tasks are played.")]
Seeds = Annotated[int, typer.Option(min=1, max=10_000, help="How many orders of the tasks.")]
Batch = Annotated[int, typer.Option(min=1, max=100_000, help="Outcomes learned at once.")]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="Who plays or is evaluated; repeatable. Others are compared with the first.",
    ),
]
Span = Annotated[
    float, typer.Option(parser=_span, metavar="7d", help="Event time that one pass covers.")
]
Swaps = Annotated[
    list[str] | None,
    typer.Option("--swap", metavar="A,B@N", help="From decision N on A does what B did."),
]
Joins = Annotated[
    list[str] | None, typer.Option("--join", metavar="A@N", help="A is not there before N.")
]
Kills = Annotated[
    list[str] | None, typer.Option("--kill", metavar="A@N", help="From N on A fails at all.")
]
Days = Annotated[
    float, typer.Option(min=0.001, help="Without FILE: how far back the service's log is read.")
]
Tenant = Annotated[
    str | None, typer.Option(help="Without FILE: whose decisions; by default everybody's.")
]
LeastEffective = Annotated[
    float, typer.Option(min=1, help="Without FILE: refuse estimates on fewer effective samples.")
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Joined decisions, JSON lines, instead of the log."
    ),
]


def evaluate(
    context: typer.Context,
    files: Files = None,
    agents: Agents = None,
    pool: PoolName = None,
    pools: PoolFile = None,
    reward: RewardOption = None,
    preset: PresetOption = None,
    passes: Passes = 1,
    seeds: Seeds = 20,
    batch: Batch = 10,
    policy: Policies = None,
    span: Span = "7d",  # type: ignore[assignment]
    swap: Swaps = None,
    join: Joins = None,
    kill: Kills = None,
    days: Days = 7.0,
    tenant: Tenant = None,
    least_effective: LeastEffective = 100.0,
    decisions: Decisions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """
    Tell how well policies choose.

    With FILE, which holds what every agent did on each task, they are played on
    it. Without, they are evaluated off-policy on the service's own log.
    """
    from olearn_core.config import load_settings

    _refuse_foreign(context, has_files=bool(files))
    settings = load_settings(config)
    if not files:
        evaluate_log(
            settings,
            days=days,
            policies=policy or [],
            reward=(reward or Rewards.UTILITY).value,
            tenant=tenant,
            least_effective=least_effective,
            decisions_file=decisions,
            as_json=as_json,
        )
        return
    from olearn_core.evaluation.playing.comparison import Game, compare
    from olearn_core.evaluation.playing.match import Rules

    changes = (*_changes("swap", swap), *_changes("join", join), *_changes("kill", kill))
    rules = Rules((reward or Rewards.SUCCESS).value, passes, batch, span)
    game = Game(
        pool=_pool(files, _chosen(agents, pool, pools)),
        changes=changes,
        rules=rules,
        preset=preset.value if preset else None,
        names=tuple(dict.fromkeys(policy or DEFAULT_POLICIES)),
        decisions=settings.decisions,
        learning=settings.learning,
        plugins=settings.plugins,
        models=settings.models,
    )
    comparison = compare(game, seeds)
    if as_json:
        print_json(comparison.as_json())
    else:
        _print(comparison)


def _refuse_foreign(context: typer.Context, *, has_files: bool) -> None:
    """Refuse options that would do nothing."""
    for name in OF_THE_LOG if has_files else OF_FILES:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            whose = "the service's log: leave FILE out" if has_files else "FILE: name one"
            raise typer.BadParameter(f"{option} is for {whose}, or leave {option} out")


def _chosen(agents: str | None, pool: str | None, pools: Path | None) -> Sequence[str]:
    from olearn_core.evaluation.playing.pool import read_pool_agents

    if agents is not None and pool is not None:
        raise typer.BadParameter("--agents and --pool exclude each other")
    if (pool is None) != (pools is None):
        raise typer.BadParameter("--pool NAME goes with --pools FILE")
    if pool is not None and pools is not None:
        return read_pool_agents(pools, pool)
    if agents is None:
        return []
    names = [name.strip() for name in agents.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter("--agents names no agent")
    return names


def _pool(files: Sequence[Path], agents: Sequence[str]) -> Pool:
    from olearn_core.evaluation.playing.pool import Pool
    from olearn_core.evaluation.tasks import read_tasks

    return Pool.of([read_tasks(file) for file in files], agents)


def _changes(kind: Kind, texts: Sequence[str] | None) -> list[Change]:
    from olearn_core.evaluation.playing.world import Change

    try:
        return [Change.read(kind, text) for text in texts or ()]
    except ValueError as error:
        raise typer.BadParameter(f"--{kind}: {error}") from None


def _print(comparison: Comparison) -> None:
    found = comparison.as_json()
    typer.echo(
        f"{found['tasks']:,} tasks, {found['agents']} agents, {found['decisions']:,} decisions,"
        f" {found['seeds']} seeds; by chance {found['random']:.3f},"
        f" best single agent {found['best_single']:.3f},"
        f" best by task type {found['per_type_best_cv']:.3f}"
    )
    rows = [(name, *_cells(figures)) for name, figures in found["policies"].items()]
    print_table(COLUMNS, rows)
    if changes := found.get("changes"):
        _print_changes(changes)


def _cells(figures: dict[str, float | None]) -> Sequence[str | None]:
    *most, cost_usd = figures.values()
    return [*map(_decimals, most), usd(cost_usd)]


def _print_changes(changes: Sequence[dict[str, Any]]) -> None:
    names = list(changes[0]["decisions_until_80_percent"])
    rows = [(change["after"], *change["decisions_until_80_percent"].values()) for change in changes]
    title = "decisions until 80 % of what can be gained over chance is gained"
    print_table(("after", *names), rows, title=title)


def _decimals(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
