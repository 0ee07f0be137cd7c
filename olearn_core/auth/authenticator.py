"""Who calls: recognised once, remembered while the credential is good."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.auth.api_key import PREFIX
from olearn_core.auth.api_keys import ApiKeys
from olearn_core.auth.bootstrap import bootstrap
from olearn_core.auth.credential import ANYBODY, Credential
from olearn_core.auth.jwks import KeySet
from olearn_core.auth.tokens import Tokens
from olearn_core.auth.uses import Uses
from olearn_core.config import AuthSettings, JwtSettings
from olearn_core.errors import AuthenticationError, OlearnError
from olearn_core.storage.database import Database, brief
from olearn_core.times import came

logger = logging.getLogger(__name__)

MOST_KNOWN = 4_096
MOST_BYTES = 8_192
LOOK_SECONDS = 2.0
TOKEN_SECONDS = 60.0
SWITCHED_OFF = (
    "it is switched off, so anybody on this machine may do anything: set [auth] enabled = true"
)


@dataclass(frozen=True, slots=True)
class _Known:
    """
    A credential that was recognised.

    :param good_until: Unix seconds
    :param is_key: whether it is an API key, which may be revoked
    """

    credential: Credential
    good_until: float
    is_key: bool


class Authenticator:
    """
    Recognises callers by API key or JWT.

    Texts are remembered by their digests under a secret of this process. A revoked
    key is forgotten within seconds: whoever runs the service runs `watch_until`.

    :ivar key_file: where an operator's key lies, None where there is none that is good
    """

    def __init__(self, database: Database, auth: AuthSettings, tokens: JwtSettings) -> None:
        self.is_on = auth.enabled
        self._settings = auth
        self.keys = ApiKeys(database, auth.environment)
        self.provider = (
            KeySet(tokens.jwks_url, tokens.jwks_cooldown_seconds) if tokens.jwks_url else None
        )
        self._tokens = Tokens(tokens, self.provider) if tokens.algorithms else None
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, _Known] = {}
        self.key_file: Path | None = None
        self._uses = Uses(self.keys.store)

    async def start(self) -> None:
        """
        See to it that somebody can call at all; say so where everybody can.

        :raises ConfigError: where the first key cannot be put into its file
        """
        if self.is_on:
            path, environment = self._settings.bootstrap_key_file, self._settings.environment
            self.key_file = await bootstrap(self.keys, path, environment)
        else:
            logger.warning("authentication: %s", SWITCHED_OFF)

    @property
    def problems(self) -> dict[str, str]:
        """What operators should know, by subject."""
        found = {}
        if not self.is_on:
            found["authentication"] = SWITCHED_OFF
        if self.provider is not None and self.provider.problem:
            found["identity provider"] = self.provider.problem
        return found

    async def credential(self, text: bytes | None) -> Credential:
        """
        Return who shows this key or token.

        :param text: as it stands behind `Bearer`, None where nothing was shown
        :raises AuthenticationError: where nobody is known by that
        :raises NotReadyError: where that cannot be found out now
        :raises SQLAlchemyError: likewise
        """
        if not self.is_on:
            return ANYBODY
        if not text:
            raise AuthenticationError(is_wrong=False)
        now = time.time()
        mark = blake2b(text, key=self._secret, digest_size=16).digest()
        known = self._known.get(mark)
        if known is None or known.good_until <= now:
            known = self._known[mark] = await self._identified(text, now)
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        if known.is_key:
            self._uses.note(known.credential.id, now)
        return known.credential

    async def _identified(self, text: bytes, now: float) -> _Known:
        if len(text) > MOST_BYTES or not text.isascii():
            raise AuthenticationError("this is neither an API key nor a token")
        plain = text.decode()
        if plain.startswith(PREFIX):
            credential, ends_at = await self.keys.identified(plain)
            return _Known(credential, inf if ends_at is None else ends_at, is_key=True)
        if self._tokens is None:
            raise AuthenticationError("this is not an API key: it looks like olk_live_…")
        credential, expires_at = await self._tokens.identified(plain)
        return _Known(credential, min(expires_at, now + TOKEN_SECONDS), is_key=False)

    async def watch_until(self, stop: asyncio.Event) -> None:
        """Forget what is revoked and note what is used, every two seconds."""
        while not await came(stop, LOOK_SECONDS):
            await self.look()
        await self.look()

    async def look(self) -> None:
        """Forget what is revoked and note what is used, unless the database is away."""
        try:
            await self.forget_revoked()
            await self._uses.write()
        except (OlearnError, SQLAlchemyError, OSError) as error:
            logger.info("the API keys were not looked through: %s", brief(error))

    async def forget_revoked(self) -> None:
        """Read which of the remembered keys are still good."""
        now = time.time()
        keys = {known.credential.id for known in self._known.values() if known.is_key}
        gone = keys - (await self.keys.still_good(sorted(keys)) if keys else set())
        for mark, known in list(self._known.items()):
            if known.credential.id in gone or known.good_until <= now:
                self._known.pop(mark, None)
