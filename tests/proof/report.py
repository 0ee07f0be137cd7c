"""The report: what was run, at which size, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.proof import costs
from tests.proof.promises import PROMISES

NEMESIS, OUTAGES = "nemesis", "outages"
MIB = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What became of one test."""

    test: str
    promises: Sequence[str]
    passed: bool
    seconds: float


@dataclass(frozen=True)
class Fact:
    """A number that a test noted."""

    test: str
    name: str
    value: Any


@dataclass(frozen=True)
class Proof:
    """
    Everything that a report is made of.

    :param size: "proof" or "quick"
    :param unfinished: what did not run to its end, and why
    """

    date: str
    size: str
    minutes: float
    surroundings: Mapping[str, str]
    outcomes: Sequence[Outcome]
    facts: Sequence[Fact]
    figures: Sequence[costs.Figure]
    unfinished: Sequence[str] = ()

    def of(self, promise: str) -> list[Outcome]:
        """Return the tests of a promise."""
        return [outcome for outcome in self.outcomes if promise in outcome.promises]

    @property
    def runs(self) -> list[Fact]:
        """Return the runs of the nemesis."""
        return [fact for fact in self.facts if fact.name == NEMESIS]

    def verdict(self, promise: str) -> str:
        """Return what became of a promise, in a word."""
        tests = self.of(promise)
        if not tests:
            return "**no test**"
        return "kept" if all(test.passed for test in tests) else "**broken**"

    @property
    def failures(self) -> list[str]:
        """Return what was not proved; empty is best."""
        return [
            *self.unfinished,
            *(f"{p}: {self.verdict(p)}" for p in PROMISES if self.verdict(p) != "kept"),
            *(f"missed: {figure.name}" for figure in self.figures if not figure.is_met),
            *(f"{fact.test}: {what}" for fact in self.runs for what in fact.value["violations"]),
        ]


def markdown(proof: Proof) -> str:
    """Return the report."""
    parts = (
        _head(proof),
        _promises(proof),
        _nemesis(proof),
        _outages(proof),
        _costs(proof),
        _other_facts(proof),
        _tests(proof),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(proof: Proof) -> str:
    size = "the size of a proof" if proof.size == "proof" else "the size of every run"
    says = (
        f"Written by `python -m tests.proof` on {proof.date}, at {size}, in {proof.minutes:.0f}"
        " minutes; not to be edited. Everything below was run with real processes, brokers and"
        " databases, on this machine:"
    )
    missing = f"**Not proved:** {'; '.join(proof.failures)}" if proof.failures else ""
    table = _table(("", ""), proof.surroundings.items())
    return "\n\n".join(filter(None, ["# Reliability report", says, missing, table]))


def _promises(proof: Proof) -> str:
    rows = [
        (promise, says, _count(proof.of(promise)), proof.verdict(promise))
        for promise, says in PROMISES.items()
    ]
    return "## The promises\n\n" + _table(("", "promise", "tests", "outcome"), rows)


def _count(tests: Sequence[Outcome]) -> str:
    failed = sum(not test.passed for test in tests)
    return f"{len(tests)}" + (f", {failed} failed" if failed else "")


def _nemesis(proof: Proof) -> str:
    if not proof.runs:
        return ""
    return "\n\n".join(["## What was broken on purpose", *map(_run, proof.runs)])


def _run(fact: Fact) -> str:
    run = fact.value
    given = run["parameters"]
    faults = sum(run["faults"].values())
    title = (
        f"### {given['broker'].title()}, {given['database'].title()}: {faults:,} faults,"
        f" seed {given['seed']}"
    )
    rows = [
        ("run by", _name(fact.test)),
        ("faults", f"{faults:,} in {run['chaos_seconds']:,.0f} s"),
        ("records in the log", f"{run['records']:,}"),
        ("learned, each once", f"{run['unique']:,}"),
        ("repeats, counted exactly", f"{run['duplicates']:,}"),
        ("poison, each a dead letter", f"{run['poison']:,}"),
        ("committed updates, owners", f"{run['updates']:,}, {run['epochs']:,}"),
        ("saves refused, after a freeze", f"{run['refused']}, {run['refused_after_freeze']}"),
        ("caught up after the last fault", f"{run['catch_up_seconds']:.1f} s"),
        ("violations", "; ".join(run["violations"]) or "none"),
    ]
    kinds = sorted(run["faults"].items())
    return "\n\n".join([title, _table(("", ""), rows), _table(("fault", "times"), kinds)])


def _outages(proof: Proof) -> str:
    outages = [outage for fact in proof.facts if fact.name == OUTAGES for outage in fact.value]
    if not outages:
        return ""
    kinds = dict.fromkeys(outage["kind"] for outage in outages)
    rows = [_outage_row(kind, [o for o in outages if o["kind"] == kind]) for kind in kinds]
    head = ("outage", "times", "longest", "degraded", "CPU", "memory", "learned again", "healthy")
    return "## Outages, the worst of each kind\n\n" + _table(head, rows)


def _outage_row(kind: str, outages: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    worst = {name: max(o[name] for o in outages) for name in outages[0] if name != "kind"}
    return (
        kind,
        f"{len(outages)}",
        f"{worst['seconds']:.0f} s",
        f"{worst['degraded_seconds']:.1f} s",
        f"{worst['cpu_share']:.1%}",
        f"{worst['grown_bytes'] / MIB:+.1f} MiB",
        f"{worst['resumed_seconds']:.1f} s",
        f"{worst['healthy_seconds']:.1f} s",
    )


def _costs(proof: Proof) -> str:
    if not proof.figures:
        return ""
    head = ["| figure | median | worst | goal | |", "|---|--:|--:|--:|---|"]
    return "## Costs\n\n" + "\n".join([*head, *costs.lines(proof.figures)])


def _other_facts(proof: Proof) -> str:
    facts = [fact for fact in proof.facts if fact.name not in (NEMESIS, OUTAGES)]
    if not facts:
        return ""
    rows = [(_name(fact.test), fact.name, fact.value) for fact in facts]
    return "## What tests counted\n\n" + _table(("test", "what", "value"), rows)


def _tests(proof: Proof) -> str:
    functions: dict[str, list[Outcome]] = {}
    for outcome in proof.outcomes:
        functions.setdefault(outcome.test.partition("[")[0], []).append(outcome)
    ordered = sorted(functions.items(), key=lambda item: (_first(item[1]), item[0]))
    head = ("promises", "test", "cases", "took")
    return "## Tests\n\n" + _table(head, (_test(name, tests) for name, tests in ordered))


def _test(name: str, tests: Sequence[Outcome]) -> Sequence[str]:
    promises = sorted({promise for test in tests for promise in test.promises}, key=_number)
    failed = sum(not test.passed for test in tests)
    return (
        ", ".join(promises),
        _name(name),
        f"{len(tests)}" + (f", **{failed} failed**" if failed else ""),
        f"{sum(test.seconds for test in tests):.1f} s",
    )


def _first(tests: Sequence[Outcome]) -> int:
    return min(_number(promise) for test in tests for promise in test.promises)


def _number(promise: str) -> int:
    return int(promise.removeprefix("P"))


def _name(test: str) -> str:
    return f"`{test.removeprefix('tests/')}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").split())
