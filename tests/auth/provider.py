"""An identity provider: it signs tokens, and shows its public keys over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://idp.example"
AUDIENCE = "olearn"
SECRET = "a secret of the identity provider, long enough"
SCOPES = "openid olearn:read olearn:predict olearn:feedback olearn:admin"


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good token; a claim that is changed to None is left out."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "gateway-7", "iat": now, "exp": now + 600}
    whole |= {"scope": SCOPES, "tenant": "acme"} | changed
    return {name: value for name, value in whole.items() if value is not None}


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changed: Any
) -> str:
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(**changed), key, algorithm, headers=headers)


def rs256(kid: str = "rsa", number: int = 0, **changed: Any) -> str:
    return token(rsa_key(number), "RS256", kid, **changed)


def es256(kid: str = "ec", **changed: Any) -> str:
    return token(ec_key(), "ES256", kid, **changed)


def rsa_jwk(kid: str = "rsa", number: int = 0, **more: Any) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(rsa_key(number).public_key(), as_dict=True) | {"kid": kid} | more


def ec_jwk(kid: str = "ec", **more: Any) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True) | {"kid": kid} | more


class Provider:
    """
    Shows its keys.

    :ivar keys: what stands in its JWKS document
    :ivar status: of its answers
    :ivar asked: how often it was asked
    """

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [rsa_jwk(), ec_jwk()]
        self.status = 200
        self.asked = 0
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Provider]:
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode()
        head = f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
