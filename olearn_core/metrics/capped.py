"""Labels whose number is bounded, whatever names come."""

from __future__ import annotations

from olearn_core.statistics import OTHER


class Capped:
    """
    Lets the first names through, and calls all later ones the same.

    A name stays what it was called first, so that what is counted under a label only grows.

    :param most: names that are told apart
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the label for a name."""
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name

    def __contains__(self, name: str) -> bool:
        """Tell whether a name is told apart."""
        return self(name) != OTHER
