"""What a caller has shown to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["read", "predict", "feedback", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
OPERATOR: Final = "*"


@dataclass(frozen=True, slots=True)
class Credential:
    """
    One caller's rights.

    :param id: names the caller in logs and as the source of outcomes; no secret
    :param tenant: whose agents and outcomes it is about, `*` for an operator's
    :param scopes: what it may do
    """

    id: str
    tenant: str
    scopes: frozenset[str]

    @property
    def is_operator(self) -> bool:
        """Whether it speaks for the whole service, and may work on any tenant."""
        return self.tenant == OPERATOR


ANYBODY: Final = Credential("", OPERATOR, frozenset(SCOPES))
