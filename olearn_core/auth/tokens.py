"""JWT bearer tokens: whose they are, where an identity provider we trust has signed them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import jwt
from jwt.types import Options

from olearn_core.auth.credential import OPERATOR, SCOPES, Credential
from olearn_core.auth.jwks import KeySet
from olearn_core.config import JwtSettings
from olearn_core.errors import AuthenticationError, EventError
from olearn_core.events import DEFAULT, NAME_LENGTH, checked_name
from olearn_core.statistics import OTHER

OPTIONS: Final[Options] = {
    "require": ["exp", "iat", "iss", "aud", "sub"],
    "enforce_minimum_key_length": True,
}
ID_PREFIX = "jwt:"


class Tokens:
    """
    Verifies JWTs.

    Each algorithm has keys of its own: a public key never verifies an HMAC, whatever
    a token's header says.
    """

    def __init__(self, settings: JwtSettings, keys: KeySet | None) -> None:
        self._settings = settings
        self._keys = keys

    async def identified(self, text: str) -> tuple[Credential, float]:
        """
        Return whose token this is, and when it expires (Unix seconds).

        :raises AuthenticationError: where it is not signed by whom we trust, or not for us
        :raises NotReadyError: where that cannot be found out now
        """
        try:
            header = jwt.get_unverified_header(text)
            algorithm = self._pinned(header.get("alg"))
            key = await self._key(algorithm, header.get("kid"))
            claims = self._claims(text, algorithm, key)
            return self._credential(claims), float(int(claims["exp"]))
        except jwt.PyJWTError as error:
            raise AuthenticationError(f"the token is not good: {error}") from None

    def _pinned(self, algorithm: Any) -> str:
        for allowed in self._settings.algorithms:
            if algorithm == allowed:
                return allowed
        raise AuthenticationError("the token is signed with an algorithm that is not configured")

    async def _key(self, algorithm: str, kid: str | None) -> Any:
        if algorithm == "HS256":
            return self._settings.secret.get_secret_value().encode()
        if self._keys is None:
            raise AuthenticationError("no keys are configured for the token's algorithm")
        return await self._keys.key(kid, algorithm)

    def _claims(self, text: str, algorithm: str, key: Any) -> dict[str, Any]:
        return jwt.decode(
            text,
            key,
            algorithms=[algorithm],
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=self._settings.leeway_seconds,
            options=OPTIONS,
        )

    def _credential(self, claims: dict[str, Any]) -> Credential:
        scopes = _words(claims.get(self._settings.scope_claim))
        named = {s for s in SCOPES if f"{self._settings.scope_prefix}{s}" in scopes}
        return Credential(_id(claims["sub"]), self._tenant(claims), frozenset(named))

    def _tenant(self, claims: dict[str, Any]) -> str:
        claim = self._settings.tenant_claim
        if not claim:
            return DEFAULT
        tenant = claims.get(claim)
        if not isinstance(tenant, str):
            raise AuthenticationError(f"the token does not say its tenant in the claim {claim!r}")
        if tenant in (OPERATOR, OTHER):
            raise AuthenticationError(f"no token is good for {tenant!r}: operators have API keys")
        return _checked(tenant, f"the token's claim {claim!r}")


def _words(claim: Any) -> list[Any]:
    """Return a claim's scopes: a text with spaces (RFC 8693), or a list."""
    if isinstance(claim, str):
        return claim.split()
    return claim if isinstance(claim, list) else []


def _id(subject: str) -> str:
    """Return the subject as a name: as it is where it fits, else a digest of it."""
    try:
        fits = bool(subject) and len(ID_PREFIX + subject) <= NAME_LENGTH
        return checked_name(ID_PREFIX + subject if fits else "", "")
    except EventError:
        return ID_PREFIX + hashlib.sha256(subject.encode(errors="replace")).hexdigest()


def _checked(name: str, what: str) -> str:
    try:
        return checked_name(name, "")
    except EventError as error:
        raise AuthenticationError(f"{what} {error.reason}") from None
