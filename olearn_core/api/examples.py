"""Examples of answers, recorded from a running service by `python -m tests.api.example_calls`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec

FILE = "examples.json"


def answer_example(operation_id: str) -> dict[str, Any]:
    """Return the member `example` of an operation's answer; nothing where none was recorded."""
    found = _recorded()
    return {"example": found[operation_id]} if operation_id in found else {}


@lru_cache(maxsize=1)
def _recorded() -> Mapping[str, Any]:
    text = files("olearn_core.api").joinpath(FILE).read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])
