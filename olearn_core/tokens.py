"""
Decision tokens: the `decision_id` an outcome carries back.

Signed (keyed BLAKE2b), compact and self-contained, so that joining an outcome
with its decision needs no look-up.
"""

from __future__ import annotations

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from olearn_core.errors import TokenError

FORMAT = 1
NONCE_BYTES = 12
SIGNATURE_BYTES = 16
_HEAD = struct.Struct(f">BB{NONCE_BYTES}sdQI8s")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """
    A secret that decisions are signed with.

    :param number: 0-255, stands in the token
    :param secret: 1-64 bytes
    :raises ValueError: where either is out of range
    """

    number: int
    secret: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.number <= 255 and 1 <= len(self.secret) <= blake2b.MAX_KEY_SIZE):
            raise ValueError(f"{self}: number must be 0-255, secret 1-64 bytes")

    def __repr__(self) -> str:
        return f"SigningKey(number={self.number})"

    def signature(self, payload: bytes) -> bytes:
        """Return the keyed BLAKE2b of the payload."""
        return blake2b(payload, digest_size=SIGNATURE_BYTES, key=self.secret).digest()


class Decided(NamedTuple):
    """
    What a token says.

    :param propensity: probability with which `agent` was drawn
    :param view_version: of the view that the choice stood on
    :param issued_at_seconds: Unix time
    :param eligible_hash: of the eligible agents, see `eligible_hash`
    """

    nonce: bytes
    propensity: float
    view_version: int
    issued_at_seconds: int
    eligible_hash: bytes
    tenant: str
    task_type: str
    agent: str


def eligible_hash(agents: Sequence[str]) -> bytes:
    """Return 8 bytes that stand for the set of eligible agents, in whatever order."""
    return blake2b("\0".join(sorted(set(agents))).encode(), digest_size=8).digest()


def sign(key: SigningKey, decided: Decided) -> str:
    """Return the token: base64url without padding."""
    head = _HEAD.pack(FORMAT, key.number, *decided[:5])
    names = [name.encode() for name in decided[5:]]
    lengths = struct.pack(">HHH", *map(len, names))
    payload = b"".join((head, lengths, *names))
    return urlsafe_b64encode(payload + key.signature(payload)).rstrip(b"=").decode()


def verify(keys: Mapping[int, SigningKey], token: str) -> Decided:
    """
    Return what a token says.

    :raises TokenError: where none of these keys has signed it
    """
    payload, signature = _split(token)
    key = keys.get(payload[1])
    if key is None:
        raise TokenError("the decision_id is signed with a key that is not known here")
    if not hmac.compare_digest(key.signature(payload), signature):
        raise TokenError
    _, _, *fields = _HEAD.unpack_from(payload)
    return Decided(*fields, *_names(payload[_HEAD.size :]))


def partition_key(tenant: str, event_id: str, decision_id: str | None = None) -> str:
    """
    Return the key of an outcome in a log of several partitions.

    Repeats of an event, and all parts of one decision's outcome, have equal keys.
    """
    try:
        payload, _ = _split(decision_id or "")
    except TokenError:
        return f"{tenant}/{event_id}"
    nonce: bytes = _HEAD.unpack_from(payload)[2]
    return nonce.hex()


def _split(token: str) -> tuple[bytes, bytes]:
    try:
        text = token.encode()
        data = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenError("the decision_id is not base64url") from error
    if urlsafe_b64encode(data).rstrip(b"=") != text:  # decoding passes over foreign characters
        raise TokenError("the decision_id is not base64url")
    if len(data) < _HEAD.size + 6 + SIGNATURE_BYTES or data[0] != FORMAT:
        raise TokenError("the decision_id has a format that is not known here")
    return data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]


def _names(data: bytes) -> list[str]:
    lengths = struct.unpack_from(">HHH", data)
    names, start = [], 6
    for length in lengths:
        names.append(data[start : start + length].decode())
        start += length
    return names
