"""
Draw the pictures of docs/choosing.md into docs/pictures/, the same ones each time.

`python -m benchmarks.choosing` takes about two minutes and needs nothing but this checkout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.fleet_runs import (
    SHOWN_AGENTS,
    SHOWN_TYPE,
    WINDOW,
    Moment,
    Record,
    chosen,
    evaluated,
    made,
    played,
)
from benchmarks.pictures import COLOURS, GREY, Frame, Picture
from olearn_core.evaluation.fleet import AGENTS
from olearn_core.evaluation.log.evaluation import TargetResult
from olearn_core.evaluation.log.trust import Judged

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
USUAL_FLOOR, LOG_FLOOR = 0.01, 0.30
SHOWN_ESTIMATORS = 3  # IPS, SNIPS, DR
PERCENT = [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]
HALVES = [(0.0, "0"), (0.5, "50 %"), (1.0, "100 %")]


def law_picture(moments: Sequence[Moment]) -> Picture:
    """Show what is believed of some agents on one task type, and the law that follows."""
    picture = Picture(760, 350, "Beliefs about four agents and the law of choice, three times")
    for place, moment in enumerate(moments):
        left = 46 + place * 240
        picture.text((left, 20), f"after {moment.number:,} decisions", "title")
        _beliefs(picture, Frame(left, 34, 204, 130, (0, 1), (0, 1)), moment)
        _law(picture, Frame(left, 216, 204, 84, (0, 1), (0, 4)), moment)
    picture.text((46, 206), f"probability of being chosen for “{SHOWN_TYPE}”", "quiet")
    _legend(picture, 46, 338, SHOWN_AGENTS)
    return picture


def _beliefs(picture: Picture, frame: Frame, moment: Moment) -> None:
    frame.axis_x(picture, HALVES)
    points = np.linspace(0, 1, 101)
    for mean, sd, colour in zip(moment.mean, moment.sd, COLOURS, strict=False):
        heights = 0.98 * np.exp(-0.5 * ((points - mean) / sd) ** 2)
        curve = [frame.at(x, y) for x, y in zip(points, heights, strict=True)]
        picture.area([frame.at(0, 0), *curve, frame.at(1, 0)], colour)
        picture.line(curve, colour, 1.5)


def _law(picture: Picture, frame: Frame, moment: Moment) -> None:
    frame.axis_x(picture, HALVES)
    for place, (share, colour) in enumerate(zip(moment.law, COLOURS, strict=False)):
        left, top = frame.at(0, 3.85 - place)
        width = max(1.0, frame.width * share)
        picture.bar((left, top), width, 15, colour)
        inside = share > 0.6
        spot = (left + width - 5, top + 12) if inside else (left + width + 5, top + 12)
        picture.text(spot, f"{100 * share:.1f} %", anchor="end" if inside else "start")


def shares_picture(found: Mapping[str, Mapping[str, Record]]) -> Picture:
    """Show how often the best agent was chosen as decisions go by, a panel a reward."""
    picture = Picture(780, 320, "Share of decisions that chose the best agent, by policy")
    for place, (reward, records) in enumerate(found.items()):
        left = 56 + 366 * place
        picture.text((left, 20), f"choices of the best agent by {reward}", "title")
        _curves(picture, left, records)
    _legend(picture, 56, 308, list(next(iter(found.values()))))
    return picture


def _curves(picture: Picture, left: float, records: Mapping[str, Record]) -> None:
    end = WINDOW + len(next(iter(records.values())).best_share) - 1
    frame = Frame(left, 34, 324, 230, (0, end), (0, 1))
    frame.axis_x(picture, [(n, f"{n:,}") for n in range(0, end + 1, 1_000)])
    frame.axis_y(picture, PERCENT[1:])
    numbers = np.arange(WINDOW, end + 1)[::10]
    for (name, record), colour in zip(records.items(), COLOURS, strict=False):
        curve = [frame.at(x, y) for x, y in zip(numbers, record.best_share[::10], strict=True)]
        picture.line(curve, colour, 3 if name == "agent_selection" else 2)


def log_picture(targets: Sequence[TargetResult], truths: Mapping[str, float]) -> Picture:
    """Show what the log of one policy says of others, against the truth."""
    picture = Picture(760, 84 + 44 * len(targets), "Off-policy estimates with intervals, and truth")
    frame = Frame(140, 34, 450, 44 * len(targets), (0.1, 0.9), (0, 1))
    title = "mean success of other laws, told from one log: 95 % intervals, and the truth (bar)"
    picture.text((20, 20), title, "title")
    frame.axis_x(picture, [(n / 10, f"{10 * n} %") for n in range(1, 10, 2)])
    for place, target in enumerate(targets):
        top = frame.top + 44 * place
        truth, _ = frame.at(truths[target.target], 0)
        picture.text((130, top + 26), target.target.removeprefix("always:"), anchor="end")
        picture.bar((truth - 1.5, top + 4), 3, 36, GREY)
        for row, judged in enumerate(target.estimates[:SHOWN_ESTIMATORS]):
            _interval(picture, frame, judged, top + 12 + 10 * row, COLOURS[row])
        picture.text((606, top + 26), _evidence(target), "quiet")
    _legend(picture, 140, picture.height - 10, ["IPS", "SNIPS", "DR"])
    return picture


def _interval(picture: Picture, frame: Frame, judged: Judged, y: float, colour: str) -> None:
    if judged.estimated is None:
        return
    ends = np.clip([judged.estimated.low, judged.estimated.high], *frame.x)
    (low, _), (high, _) = (frame.at(end, 0) for end in ends)
    middle, _ = frame.at(judged.estimated.value, 0)
    picture.line([(low, y), (high, y)], colour)
    picture.dot((middle, y), colour, 3)


def _evidence(target: TargetResult) -> str:
    said = f"{target.effective_samples:,.0f} effective"
    refused = all(judged.estimated is None for judged in target.estimates)
    return f"{said}: refused" if refused else said


def _legend(picture: Picture, left: float, y: float, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        x = left + 140 * place
        picture.bar((x, y - 9), 12, 10, COLOURS[place])
        picture.text((x + 18, y), name)


def main() -> None:
    """Write all pictures and print the figures they show."""
    pool, chances = made()
    FOLDER.mkdir(parents=True, exist_ok=True)
    usual = chosen(pool, USUAL_FLOOR)
    law_picture(usual.moments).write(FOLDER / "law.svg")
    for moment in usual.moments:
        print(moment.number, np.round(moment.law, 4))
    found = {"success": played(pool, "success"), "utility": played(pool, "utility")}
    shares_picture(found).write(FOLDER / "best-agent.svg")
    for reward, records in found.items():
        for name, record in records.items():
            shown = np.round(record.best_share[[0, 350, 850, -1]], 3)
            se = record.means.std(ddof=1) / len(record.means) ** 0.5
            mean = f"{record.means.mean():.4f} ± {se:.4f}"
            print(f"{reward}, {name}: mean {mean}, best chosen {shown}")
    targets = evaluated(chosen(pool, LOG_FLOOR))
    truths = {f"always:{agent}": chances[:, arm].mean() for arm, agent in enumerate(AGENTS)}
    truths["uniform"] = chances.mean()
    log_picture(targets, truths).write(FOLDER / "off-policy.svg")
    for target in targets:
        _print(target, truths[target.target])


def _print(target: TargetResult, truth: float) -> None:
    told = [
        f"{j.estimator} {j.estimated.value:.3f} ± {j.estimated.se:.3f}"
        if j.estimated
        else "refused"
        for j in target.estimates
    ]
    print(f"{target.target}: truth {truth:.3f},", _evidence(target), *told)


if __name__ == "__main__":
    main()
