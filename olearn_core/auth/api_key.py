"""
What an API key looks like: `olk_<environment>_<id>_<secret><checksum>`.

Secret scanners find the prefix, a double click selects all of it, and the
checksum (CRC-32 of all before it) refuses a slip without asking the database.
The secret has 256 random bits, so its digest needs no slow hash.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib

from olearn_core.errors import AuthenticationError

PREFIX = "olk_"
ALPHABET = string.digits + string.ascii_letters
ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
_SPELT = re.compile(
    rf"olk_[a-z0-9]{{1,16}}_([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}}"
    rf"[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}",
    re.ASCII,
)


def new_key(environment: str) -> str:
    """
    Return a new key.

    :param environment: such as `live` or `test`, 1-16 lower-case letters and digits
    """
    body = f"{PREFIX}{environment}_{_random(ID_LENGTH)}_{_random(SECRET_LENGTH)}"
    return body + checksum(body)


def key_id(text: str) -> str:
    """
    Return the id that stands in a key.

    :raises AuthenticationError: where it is no key, or mistyped
    """
    found = _SPELT.fullmatch(text)
    if found is None:
        raise AuthenticationError("this is not an API key: it looks like olk_live_…")
    if checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        raise AuthenticationError("the API key is mistyped: its checksum does not fit")
    return found[1]


def checksum(body: str) -> str:
    """Return the CRC-32 in six characters."""
    number, characters = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters = ALPHABET[place] + characters
    return characters


def digest(pepper: bytes, text: str) -> bytes:
    """Return what is kept of a key: its HMAC-SHA256."""
    return hmac.digest(pepper, text.encode(), "sha256")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
