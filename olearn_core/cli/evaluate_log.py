"""What other policies would have earned on the service's own log, printed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from olearn_core.cli.output import percent, print_json, print_table

if TYPE_CHECKING:
    from olearn_core.config import Settings
    from olearn_core.evaluation.log.evaluation import LogEvaluation, TargetResult
    from olearn_core.evaluation.log.history import History
    from olearn_core.evaluation.log.rewards import Reward
    from olearn_core.evaluation.log.trust import Judged

DAY_SECONDS = 86_400.0
COLUMNS = ("policy", "decisions", "mean weight", "effective", "IPS", "SNIPS", "DR", "SWITCH-DR")
REFUSED = "refused"


class RewardName(StrEnum):
    """What is counted."""

    UTILITY = "utility"
    SUCCESS = "success"
    QUALITY = "quality"


def evaluate_log(
    settings: Settings,
    *,
    days: float,
    policies: Sequence[str],
    reward: str = "utility",
    tenant: str | None = None,
    least_effective: float = 100.0,
    decisions_file: Path | None = None,
    as_json: bool = False,
) -> None:
    """
    Evaluate policies on logged decisions and print what they would have earned.

    :param days: how far back the log is read
    :param policies: names of policies, `always:AGENT`, `uniform` or `logged`;
        none for the configured policy and these two
    :param reward: utility, success or quality
    :param tenant: whose decisions are taken, None for everybody's
    :param least_effective: estimates that stand on fewer effective samples are refused
    :param decisions_file: joined decisions to take instead of the log
    :raises OlearnError: where the log or the file cannot be read
    """
    from olearn_core.evaluation.log.evaluation import evaluate_history
    from olearn_core.evaluation.log.rewards import Reward
    from olearn_core.plugins import Plugins

    counted = Reward(reward)
    history = _history(settings, days, counted, tenant, decisions_file)
    models = Plugins.found(settings.plugins.disabled).models(
        settings.decisions.policy, settings.models
    )
    targets = list(policies) or ["logged", "uniform", settings.decisions.policy]
    found = evaluate_history(history, targets, models, settings, counted, least_effective)
    if as_json:
        print_json(_as_json(found, counted))
    else:
        _print(found, counted)


def _history(
    settings: Settings, days: float, reward: Reward, tenant: str | None, file: Path | None
) -> History:
    from olearn_core.cli.checks import check_database, database_errors
    from olearn_core.evaluation.log.decision_files import read_decisions
    from olearn_core.evaluation.log.reading import read_history

    if file is not None:
        return read_decisions(
            file, reward, {str(c): w for c, w in settings.decisions.weights.items()}, tenant
        )
    since = time.time() - days * DAY_SECONDS

    async def read() -> History:
        await check_database(settings.database)
        return await read_history(settings, since, reward, tenant)

    with database_errors(settings.database):
        return asyncio.run(read())


def _as_json(found: LogEvaluation, reward: Reward) -> dict[str, Any]:
    return {
        "reward": reward.value,
        "decisions": found.decisions,
        "joined": found.joined,
        "dangling_share": found.dangling_share,
        "left_out": dict(found.left_out),
        "misdrawn": found.misdrawn,
        "policies": [_target_as_json(target) for target in found.targets],
    }


def _target_as_json(result: TargetResult) -> dict[str, Any]:
    fields = {
        "policy": result.target,
        "decisions": result.decisions,
        "not_eligible": result.not_eligible,
        "mean_weight": _finite(result.mean_weight),
        "mean_weight_se": _finite(result.mean_weight_se),
        "effective_samples": result.effective_samples,
    }
    return fields | {"estimates": {e.estimator: _estimate_as_json(e) for e in result.estimates}}


def _finite(value: float) -> float | None:
    """Return a number that JSON has."""
    return value if abs(value) < float("inf") else None


def _estimate_as_json(judged: Judged) -> dict[str, Any]:
    estimated = judged.estimated
    if estimated is None:
        return {"refused": judged.refusal}
    interval = {"low": estimated.low, "high": estimated.high}
    return {"value": estimated.value, "se": estimated.se} | interval


def _print(found: LogEvaluation, reward: Reward) -> None:
    typer.echo(
        f"{found.decisions:,} decisions, {found.joined:,} with an outcome that tells the"
        f" {reward.value} ({percent(found.dangling_share)} dangling)"
    )
    for reason, count in found.left_out.items():
        typer.echo(f"left out: {count:,} decisions, {reason}")
    print_table(COLUMNS, map(_cells, found.targets))
    typer.echo("± is a standard error; the 95 % interval is twice as wide on either side")
    for reason in dict.fromkeys(line for target in found.targets for line in _refusals(target)):
        typer.echo(reason)


def _cells(result: TargetResult) -> tuple[object, ...]:
    return (
        result.target,
        result.decisions,
        f"{result.mean_weight:.3f} ± {result.mean_weight_se:.3f}",
        f"{result.effective_samples:,.0f}",
        *map(_cell, result.estimates),
    )


def _cell(judged: Judged) -> str:
    estimated = judged.estimated
    return f"{estimated.value:.4f} ± {estimated.se:.4f}" if estimated else REFUSED


def _refusals(result: TargetResult) -> list[str]:
    """Return why what is refused, one line a reason."""
    lines = {judged.refusal for judged in result.estimates if judged.refusal}
    found = [f"{result.target}: {REFUSED}, {reason}" for reason in sorted(lines)]
    if result.not_eligible:
        found.append(
            f"{result.target}: it was no candidate in {result.not_eligible:,} further decisions"
        )
    return found
