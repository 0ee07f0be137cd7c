"""What decisions are made from, wherever it was learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from olearn_core.models import Sums
from olearn_core.statistics import Weighting


class Knowledge(Protocol):
    """Weighted sums: the live view of a service, or those of a log that is replayed."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the table's columns."""

    @property
    def version(self) -> int:
        """A number that grows with what is learned."""

    @property
    def as_of(self) -> float:
        """Unix seconds up to which all is known."""

    def sums(self, tenant: str, model: str, weighting: Weighting, count: str) -> Sums:
        """
        Return a tenant's sums, weighted for one model.

        :param count: column that counts the model's events
        """
