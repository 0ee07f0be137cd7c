"""What a service answers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from olearn_core.errors import ServiceError

BRIEF = 200
UNAUTHORIZED = 401
KEY_HINT = "; put your key into OLEARN_API_KEY, the first one is in olearn-bootstrap.key"


class RefusedError(ServiceError):
    """
    The service has answered, but refused.

    :ivar status: of the HTTP response
    :ivar detail: the service's own words
    """

    def __init__(self, status: int, detail: str) -> None:
        hint = KEY_HINT if status == UNAUTHORIZED else ""
        super().__init__(f"the service refuses ({status}): {detail}{hint}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Reply:
    """
    One response.

    :param seconds: from sending the request to having the whole response
    """

    status: int
    content: bytes
    seconds: float

    @property
    def detail(self) -> str:
        """What a problem document says, else how the body begins."""
        try:
            return msgspec.json.decode(self.content, type=_Problem).detail
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = self.content.decode(errors="replace").strip()
            return text[:BRIEF] or "no reason given"

    def accepted(self) -> bytes:
        """
        Return the body.

        :raises RefusedError: where the service did not do what was asked
        """
        if not 200 <= self.status < 300:
            raise RefusedError(self.status, self.detail)
        return self.content


class _Problem(msgspec.Struct):
    detail: str
