"""Many runs, and a short script for the first that fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.simulation.audit import Breach
from tests.simulation.script import KINDS, Script, scripted, shortened
from tests.simulation.world import Run, run


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What happened in many runs in which nothing went wrong.

    :param faults: how many of each kind
    :param events: how many records were written
    :param refused_saves: how often somebody who had lost a partition tried to save it
    :param data_gaps: how often retention was faster than learning
    """

    seeds: int
    actions: int
    faults: dict[str, int]
    events: int
    checkpoints: int
    refused_saves: int
    rebalances: int
    expired_sessions: int
    data_gaps: int


class FoundError(AssertionError):
    """
    A rule did not hold.

    :ivar script: what it takes, made short
    """

    def __init__(self, breach: Breach, script: Script, seed: int) -> None:
        lines = ",\n    ".join(map(str, script))
        super().__init__(f"{breach}\n\nrun([\n    {lines}\n], seed={seed})")
        self.breach = breach
        self.script = script


def simulate(seeds: int, actions: int) -> Summary:
    """
    Run so many scripts of so many actions.

    :raises FoundError: with a short script, where a rule does not hold
    """
    return summary([lived(seed, actions) for seed in range(seeds)])


def lived(seed: int, actions: int) -> Run:
    """
    Run one script.

    :raises FoundError: with a short script, where a rule does not hold
    """
    script = scripted(seed, actions)
    ended = run(script, seed)
    if ended.breach is not None:
        raise found(script, ended, seed)
    return ended


def found(script: Script, failed: Run, seed: int) -> FoundError:
    """Return what was found, in as few actions as it takes to break the same rule."""
    breach = failed.breach or Breach("none", "nothing was found")

    def failing(shorter: Script) -> Script | None:
        again = run(shorter, seed)
        is_same = again.breach is not None and again.breach.rule == breach.rule
        return shorter[: again.done] if is_same else None

    short = shortened(script[: failed.done], failing)
    return FoundError(run(short, seed).breach or breach, short, seed)


def summary(runs: Iterable[Run]) -> Summary:
    """Add runs up."""
    kept = list(runs)
    counts = sum((ended.counts for ended in kept), Counter())
    return Summary(
        seeds=len(kept),
        actions=sum(ended.done for ended in kept),
        faults={verb: counts[verb] for verb, kind in KINDS.items() if kind.is_fault},
        events=counts["events"],
        checkpoints=counts["checkpoints"],
        refused_saves=counts["refused saves"],
        rebalances=counts["rebalances"],
        expired_sessions=counts["sessions expired"],
        data_gaps=counts["data_gaps"],
    )
