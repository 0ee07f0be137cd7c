"""How much of everything a run tries: little each time, much for a release."""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")

PROOF = os.environ.get("OLEARN_PROOF") == "1"


def size(each_run: T, proof: T) -> T:
    """Return the size for this run: `proof` where OLEARN_PROOF is 1."""
    return proof if PROOF else each_run


def examples(each_run: int, proof: int) -> settings:
    """Return settings of a property that tries so many examples."""
    return settings(max_examples=size(each_run, proof), deadline=None, derandomize=not PROOF)
