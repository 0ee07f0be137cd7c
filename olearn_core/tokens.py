"""
Decision tokens: the `decision_id` an outcome carries back.

Signed (keyed BLAKE2b), compact and self-contained, so that joining an outcome
with its decision needs no look-up.
"""

from __future__ import annotations

import binascii
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import isnan
from typing import NamedTuple

from olearn_core.errors import TokenError

FORMAT = 1
NONCE_BYTES = 12
SIGNATURE_BYTES = 16
LONGEST_BYTES = 1_664
KEY_NUMBERS = 256
KNOWN_HEADS = 1_024
REFUSALS = ("malformed", "unknown_key", "tampered", "wrong_tenant", "late", "replayed")
_HEAD = struct.Struct(f">BB{NONCE_BYTES}sdQI8s")
_SPELT = re.compile(rb'"decision_id"\s*:\s*"([\w-]{3})', re.ASCII)


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

    :param propensity: probability with which `agent` was drawn, NaN where nobody knows it
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

    @property
    def known_propensity(self) -> float | None:
        """The propensity, None where nobody knows it."""
        return None if isnan(self.propensity) else self.propensity


def eligible_hash(agents: Sequence[str]) -> bytes:
    """Return 8 bytes that stand for the set of eligible agents, in whatever order."""
    return blake2b("\0".join(sorted(set(agents))).encode(), digest_size=8).digest()


def sign(key: SigningKey, decided: Decided) -> str:
    """
    Return the token: 64 bytes and the names in UTF-8, as base64url without padding.

    :raises TokenError: where that has more than 1,664 bytes
    """
    head = _HEAD.pack(FORMAT, key.number, *decided[:5])
    names = [name.encode() for name in decided[5:]]
    lengths = struct.pack(">HHH", *map(len, names))
    payload = b"".join((head, lengths, *names))
    if len(payload) + SIGNATURE_BYTES > LONGEST_BYTES:
        raise TokenError("the names in the decision are too long for a decision_id", "malformed")
    return urlsafe_b64encode(payload + key.signature(payload)).rstrip(b"=").decode()


def verify(keys: Mapping[int, SigningKey], token: str) -> Decided:
    """
    Return what a token says.

    :raises TokenError: where none of these keys has signed it
    """
    payload, signature = _split(token)
    key = keys.get(payload[1])
    if key is None:
        found = "the decision_id is signed with a key that is not known here"
        raise TokenError(found, "unknown_key")
    if not hmac.compare_digest(key.signature(payload), signature):
        raise TokenError
    _, _, *fields = _HEAD.unpack_from(payload)
    return Decided(*fields, *_names(payload[_HEAD.size :]))


def key_numbers(value: bytes) -> set[int]:
    """
    Return the numbers of the keys that tokens in an outcome's raw bytes claim.

    For finding out beforehand which keys will be asked for; nothing is checked.
    """
    at = value.find(b'"decision_id"')
    if at < 0:
        return set()
    return {number for head in _SPELT.findall(value, at) if (number := _claimed(head)) is not None}


@lru_cache(KNOWN_HEADS)
def _claimed(head: bytes) -> int | None:
    """Return the key's number in a token's first three characters."""
    number_format, number = urlsafe_b64decode(head + b"A")[:2]
    return number if number_format == FORMAT else None


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
        raise TokenError("the decision_id is not base64url", "malformed") from error
    if urlsafe_b64encode(data).rstrip(b"=") != text:  # decoding passes over foreign characters
        raise TokenError("the decision_id is not base64url", "malformed")
    fits = _HEAD.size + 6 + SIGNATURE_BYTES <= len(data) <= LONGEST_BYTES
    if not fits or data[0] != FORMAT:
        raise TokenError("the decision_id has a format that is not known here", "malformed")
    return data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]


def _names(data: bytes) -> list[str]:
    lengths = struct.unpack_from(">HHH", data)
    names, start = [], 6
    for length in lengths:
        names.append(data[start : start + length].decode())
        start += length
    return names
