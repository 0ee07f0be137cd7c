"""An identity provider's public keys, read by URL and kept while it is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import jwt

from olearn_core.config import masked_url
from olearn_core.errors import AuthenticationError, NotReadyError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
MOST_BYTES = 1 << 20
KINDS = {"RSA": "RS256", "EC": "ES256"}


class KeySet:
    """
    The keys of a JWKS document.

    They are read again every while, and at once for a token whose key is not known,
    but not oftener than the cool-down allows. While the provider does not answer,
    those it had stay.

    :param cooldown_seconds: between two readings
    :ivar problem: why they could not be read, None where all is well
    """

    def __init__(self, url: str, cooldown_seconds: float) -> None:
        self._url = url
        self._cooldown_seconds = cooldown_seconds
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._lock = asyncio.Lock()
        self._tried_at = float("-inf")
        self.problem: str | None = None

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """
        Return the key of this name.

        :param kid: None where the token names none, which is enough where there is one key
        :raises AuthenticationError: where there is no such key, or it is for another algorithm
        :raises NotReadyError: where the keys were never read
        """
        found = self._found(kid)
        if found is None:
            await self._read_if_cool()
            found = self._found(kid)
        if found is None and not self._keys:
            raise NotReadyError(f"the keys of the identity provider are not known: {self.problem}")
        if found is None or found.algorithm_name != algorithm:
            raise AuthenticationError("the token is signed with a key that is not known here")
        return found

    async def refresh(self) -> None:
        """
        Read the keys; those that are not there any more are forgotten.

        :raises NotReadyError: where the provider does not answer as it should
        """
        async with self._lock:
            await self._read()

    def _found(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _read_if_cool(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < self._cooldown_seconds:
                return
            try:
                await self._read()
            except NotReadyError as error:
                logger.warning("%s", error)

    async def _read(self) -> None:
        self._tried_at = time.monotonic()
        try:
            self._keys = _parsed(await _fetched(self._url))
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
            self.problem = f"{masked_url(self._url)}: {str(error) or type(error).__name__}"
            raise NotReadyError(f"the keys at {self.problem} cannot be read") from error
        self.problem = None


async def _fetched(url: str) -> Any:
    # In a thread, for reading all certificates of authorities would stall the loop.
    made = await asyncio.to_thread(httpx2.AsyncClient, timeout=TIMEOUT_SECONDS)
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        made as client,
        client.stream("GET", url) as response,
    ):
        response.raise_for_status()
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES} bytes")
        return httpx2.Response(200, content=body).json()


def _parsed(document: Any) -> dict[str | None, jwt.PyJWK]:
    """Return the keys that verify signatures; symmetric and foreign ones are left out."""
    entries = document.get("keys") if isinstance(document, dict) else None
    entries = entries if isinstance(entries, list) else []
    parsed = [key for entry in entries if isinstance(entry, dict) and (key := _key(entry))]
    if not parsed:
        raise ValueError("it is no JWKS document with a key for RS256 or ES256")
    return {key.key_id: key for key in parsed}


def _key(entry: Mapping[str, Any]) -> jwt.PyJWK | None:
    algorithm = KINDS.get(str(entry.get("kty")))
    is_ours = entry.get("alg", algorithm) == algorithm and entry.get("use", "sig") == "sig"
    if algorithm is None or not is_ours or not isinstance(entry.get("kid", ""), str):
        return None
    try:
        return jwt.PyJWK(dict(entry), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        logger.warning("a key of the identity provider is not usable: %s", error)
        return None
