"""Which colour a name has, for as long as it is shown."""

from __future__ import annotations

from collections.abc import Sequence

COLOURS = 6


class Inks:
    """Gives each of at most `COLOURS` names an ink that it keeps while it is shown."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def of(self, names: Sequence[str]) -> dict[str, int]:
        """Return the inks of the names that are shown now."""
        kept = {name: self._given[name] for name in names if name in self._given}
        free = [ink for ink in range(COLOURS) if ink not in kept.values()]
        new = [name for name in names if name not in kept]
        self._given = kept | dict(zip(new, free, strict=False))
        return self._given
