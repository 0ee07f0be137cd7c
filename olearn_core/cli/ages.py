"""Ages as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def age(text: str) -> timedelta:
    """
    Return how long `90s`, `30m`, `1h`, `7d` or `2w` is.

    :raises typer.BadParameter: for anything else
    """
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if not found:
        raise typer.BadParameter("it looks like 90s, 30m, 1h, 7d or 2w")
    return timedelta(seconds=int(found[1]) * UNIT_SECONDS[found[2]])
