"""What happens in a run, as data: made from a seed, and made short where a run fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

PARTITIONS = 3
WORKERS = 4

Script = Sequence["Action"]


@dataclass(frozen=True, slots=True)
class Action:
    """
    One thing that happens.

    :param verb: names a method of the world
    :param target: a worker's or a partition's number
    :param amount: how many, or how many seconds
    """

    verb: str
    target: int = 0
    amount: float = 0.0

    def __str__(self) -> str:
        return f"Action({self.verb!r}, {self.target}, {self.amount:g})"


@dataclass(frozen=True, slots=True)
class Kind:
    """
    How often an action comes, and with what.

    :param weight: against the others
    :param targets: how many there are to choose from
    """

    weight: int
    targets: int
    least: float = 0.0
    most: float = 0.0
    digits: int = 0
    is_fault: bool = True


KINDS = {
    "produce": Kind(50, PARTITIONS, 1, 40, is_fault=False),
    "wait": Kind(55, 1, 0.0, 1.5, digits=3, is_fault=False),
    "wait_long": Kind(10, 1, 2.0, 25.0, digits=3, is_fault=False),
    "start": Kind(18, WORKERS, is_fault=False),
    "stop": Kind(4, WORKERS),
    "kill": Kind(6, WORKERS),
    "freeze": Kind(6, WORKERS, 0.5, 15.0, digits=3),
    "cut_off": Kind(4, WORKERS, 0.5, 15.0, digits=3),
    "turn_clock": Kind(3, WORKERS, -86_400.0, 86_400.0),
    "repeat": Kind(6, PARTITIONS, 1, 10),
    "poison": Kind(4, PARTITIONS, 1, 30),
    "leave_gap": Kind(5, PARTITIONS, 1, 5),
    "delete_old": Kind(3, PARTITIONS, 1, 80),
    "lose_records": Kind(5, PARTITIONS, 1, 20),
    "corrupt": Kind(4, PARTITIONS),
    "stop_broker": Kind(2, 1, 0.5, 12.0, digits=3),
    "stop_database": Kind(2, 1, 0.5, 12.0, digits=3),
    "lose_commit": Kind(4, 1),
    "lose_answer": Kind(4, 1),
    "hang_commit": Kind(2, 1, 1.0, 15.0, digits=3),
}


def scripted(seed: int, actions: int) -> list[Action]:
    """Return a script that begins with two workers."""
    rng = random.Random(f"script {seed}")
    verbs = list(KINDS)
    weights = [KINDS[verb].weight for verb in verbs]
    drawn = rng.choices(verbs, weights, k=actions - 2)
    return [Action("start", 0), Action("start", 1), *(_drawn(rng, verb) for verb in drawn)]


def _drawn(rng: random.Random, verb: str) -> Action:
    kind = KINDS[verb]
    amount = round(rng.uniform(kind.least, kind.most), kind.digits)
    return Action(verb, rng.randrange(kind.targets), amount)


def shortened(
    script: Script, failing: Callable[[Script], Script | None], most_tries: int = 300
) -> Script:
    """
    Return a part of a failing script that still fails, by delta debugging.

    Stretches are left out, halves first, then shorter ones, while it goes on failing.

    :param failing: returns the part of a script that it takes to fail, None where it does not
    """
    kept, size, tries = script, len(script) // 2, 0
    while size > 0 and tries < most_tries:
        for without in _without_a_stretch(kept, size):
            tries += 1
            failed = failing(without)
            if failed is not None:
                kept = failed
                break
            if tries == most_tries:
                break
        else:
            size //= 2
        size = min(size, len(kept) // 2 or 1) if kept else 0
    return kept


def _without_a_stretch(script: Script, size: int) -> Iterator[Script]:
    for start in range(0, len(script), size):
        yield [*script[:start], *script[start + size :]]
