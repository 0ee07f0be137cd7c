"""API keys: made, revoked, and recognised by their digests."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Sequence

from olearn_core.auth.api_key import digest, key_id, new_key
from olearn_core.auth.credential import OPERATOR, SCOPES, Credential
from olearn_core.errors import AuthenticationError, EventError, QuestionError
from olearn_core.events import checked_name
from olearn_core.statistics import OTHER
from olearn_core.storage.api_keys import ApiKeyRow, ApiKeyStore, new_pepper
from olearn_core.storage.database import Database

LONGEST_LABEL = 128


class ApiKeys:
    """
    The keys of one database.

    :param environment: stands in new keys, so that those of a test are told from others
    """

    def __init__(self, database: Database, environment: str) -> None:
        self.store = ApiKeyStore(database)
        self._environment = environment
        self._pepper = b""

    async def create(
        self,
        tenant: str,
        scopes: Iterable[str],
        *,
        label: str = "",
        expires_at: float | None = None,
    ) -> tuple[str, ApiKeyRow]:
        """
        Make a key; its text is returned this once and kept nowhere.

        :param tenant: `*` for an operator's
        :param expires_at: Unix seconds, None for never
        :raises QuestionError: where tenant, scopes, label or time make no sense
        """
        _refuse_senseless(scopes := tuple(scopes), label, expires_at)
        text = new_key(self._environment)
        tenant = _checked_tenant(tenant)
        row = await self._row(text, tenant, scopes, label, expires_at)
        await self.store.add(row)
        return text, row

    async def begin(self, text: str) -> bool:
        """
        Take this text as the operator's first key; False where there were keys before.

        :raises AuthenticationError: where it is not an API key
        """
        pepper = new_pepper()
        row = ApiKeyRow(
            key_id(text), digest(pepper, text), OPERATOR, SCOPES, "bootstrap", time.time()
        )
        return await self.store.begin(pepper, row)

    async def identified(self, text: str) -> tuple[Credential, float | None]:
        """
        Return whose key this is, and when it ends (Unix seconds).

        :raises AuthenticationError: where it is none of ours, or has ended
        """
        found = await self.store.some([key_id(text)])
        expected = digest(await self._known_pepper(), text)
        if not found or not hmac.compare_digest(found[0].digest, expected):
            raise AuthenticationError("the API key is not known here")
        (row,) = found
        if row.revoked_at is not None:
            raise AuthenticationError(f"the API key {row.id} was revoked")
        if row.expires_at is not None and row.expires_at <= time.time():
            raise AuthenticationError(f"the API key {row.id} has expired")
        return Credential(row.id, row.tenant, frozenset(row.scopes)), row.expires_at

    async def still_good(self, ids: Sequence[str]) -> set[str]:
        """Return those of these keys that were not revoked."""
        return {row.id for row in await self.store.some(ids) if row.revoked_at is None}

    async def _row(
        self, text: str, tenant: str, scopes: Sequence[str], label: str, expires_at: float | None
    ) -> ApiKeyRow:
        hashed = digest(await self._known_pepper(), text)
        scopes = tuple(dict.fromkeys(scopes))
        return ApiKeyRow(key_id(text), hashed, tenant, scopes, label, time.time(), expires_at)

    async def _known_pepper(self) -> bytes:
        self._pepper = self._pepper or await self.store.pepper()
        return self._pepper


def _checked_tenant(tenant: str) -> str:
    if tenant == OTHER:
        raise QuestionError("this stands for all tenants beyond [learning] most_tenants", "/tenant")
    try:
        return checked_name(tenant, "/tenant")
    except EventError as error:
        raise QuestionError(f"the tenant's name {error.reason}", error.pointer) from None


def _refuse_senseless(scopes: Sequence[str], label: str, expires_at: float | None) -> None:
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise QuestionError(f"a label has at most {LONGEST_LABEL} printable characters", "/label")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise QuestionError(f"a key needs scopes, of {', '.join(SCOPES)}", "/scopes")
    if expires_at is not None and expires_at <= time.time():
        raise QuestionError("the key would have expired already", "/expires_at")
