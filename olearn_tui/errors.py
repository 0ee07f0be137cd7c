"""What can go wrong between the dashboard and a service."""

from __future__ import annotations

from typing import Literal

from olearn_core.errors import OlearnError

Fault = Literal[
    "unreachable", "slow", "broken", "refused", "forbidden", "missing", "failing", "strange"
]


class LinkError(OlearnError):
    """
    A request got no useful answer.

    :ivar fault: `unreachable, slow, broken` on the way; `refused` (401), `forbidden` (403),
        `missing` (404), `failing` (any other status of refusal); `strange` for an answer that
        is no olearn's
    """

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = fault

    @property
    def is_local(self) -> bool:
        """Whether only this request fails, and others may well succeed."""
        return self.fault in ("forbidden", "missing")


class ProfileError(OlearnError):
    """The dashboard's configuration cannot be used."""
