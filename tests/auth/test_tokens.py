"""Tokens of an identity provider: who has signed them, for whom, and what they allow."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from olearn_core.auth.jwks import KeySet
from olearn_core.auth.tokens import Tokens
from olearn_core.config import JwtSettings
from olearn_core.errors import AuthenticationError, NotReadyError
from tests.auth.provider import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Provider,
    claims,
    ec_jwk,
    es256,
    public_pem,
    rs256,
    rsa_jwk,
    rsa_key,
    token,
)

ALL = ("HS256", "RS256", "ES256")


def settings(url: str = "https://idp.example/jwks", **changed: Any) -> JwtSettings:
    whole = {"algorithms": ALL, "issuer": ISSUER, "audience": AUDIENCE, "secret": SECRET}
    return JwtSettings(**whole | {"jwks_url": url} | changed)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider().serving() as one:
        yield one


@pytest.fixture
def tokens(provider: Provider) -> Tokens:
    return Tokens(settings(), KeySet(provider.url, cooldown_seconds=0))


@pytest.mark.parametrize("make", [token, rs256, es256])
async def test_a_token_of_each_algorithm_says_whose_it_is(tokens: Tokens, make: Any) -> None:
    credential, expires_at = await tokens.identified(make())
    assert (credential.id, credential.tenant) == ("jwt:gateway-7", "acme")
    assert credential.scopes == {"read", "predict", "feedback", "admin"}
    assert time.time() < expires_at <= time.time() + 600


def unsigned(header: dict[str, Any], **changed: Any) -> str:
    parts = [json.dumps(part).encode() for part in (header, claims(**changed))]
    return b".".join([*(base64.urlsafe_b64encode(p).rstrip(b"=") for p in parts), b""]).decode()


def confused() -> str:
    """Sign with the public key as if it were a shared secret, as PyJWT would not."""
    import hashlib
    import hmac

    body = unsigned({"alg": "HS256", "typ": "JWT", "kid": "rsa"})[:-1]
    mac = hmac.digest(public_pem(rsa_key(0)), body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


LATER, EARLIER = int(time.time()) + 3_600, int(time.time()) - 3_600
BAD = {
    "no algorithm": lambda: unsigned({"alg": "none", "typ": "JWT"}),
    "no algorithm, spelt otherwise": lambda: unsigned({"alg": "nOnE"}),
    "no header": lambda: unsigned({}),
    "an HMAC under the public key": confused,
    "an algorithm that is not pinned": lambda: token(SECRET * 2, "HS512"),
    "a foreign secret": lambda: token("another secret that is long enough as well"),
    "a foreign key": lambda: rs256(number=1),
    "a key for another algorithm": lambda: rs256("ec"),
    "an unknown key": lambda: rs256("new", number=1),
    "another audience": lambda: token(aud="others"),
    "another issuer": lambda: token(iss="https://evil.example"),
    "expired": lambda: token(iat=EARLIER - 60, exp=EARLIER),
    "not yet good": lambda: token(nbf=LATER),
    "issued in the future": lambda: token(iat=LATER, exp=LATER + 60),
    "a subject that is no text": lambda: jwt.encode(claims() | {"sub": 7}, SECRET, "HS256"),
    "an operator's tenant": lambda: token(tenant="*"),
    "everybody's tenant": lambda: token(tenant="__other__"),
    "a tenant that is no text": lambda: token(tenant=["acme"]),
    "a tenant that is no name": lambda: token(tenant="a\x00b"),
    "changed on the way": lambda: rs256()[:-8] + "AAAAAAAA",
    "no token": lambda: "not a token",
    "three dots": lambda: "...",
} | {
    f"no {name}": (lambda name=name: token(**{name: None}))
    for name in ("exp", "iat", "iss", "aud", "sub", "tenant")
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
async def test_a_token_is_refused(tokens: Tokens, make: Any) -> None:
    with pytest.raises(AuthenticationError):
        await tokens.identified(make())


async def test_clocks_may_differ_by_the_leeway(provider: Provider) -> None:
    now = int(time.time())
    late = token(iat=now - 60, exp=now - 10)
    keys = KeySet(provider.url, cooldown_seconds=0)
    await Tokens(settings(leeway_seconds=30), keys).identified(late)
    with pytest.raises(AuthenticationError, match="expired"):
        await Tokens(settings(leeway_seconds=0), keys).identified(late)


@pytest.mark.parametrize(
    ("changed", "claimed", "expected"),
    [
        ({}, {"scope": "olearn:read other:admin"}, {"read"}),
        ({}, {"scope": ["olearn:read", "olearn:predict"]}, {"read", "predict"}),
        ({}, {"scope": None}, set()),
        ({}, {"scope": 7}, set()),
        ({"scope_prefix": ""}, {"scope": "read write"}, {"read"}),
        ({"scope_claim": "roles"}, {"roles": ["olearn:admin"]}, {"admin"}),
    ],
)
async def test_which_claim_holds_the_scopes_is_configured(
    changed: dict[str, Any], claimed: dict[str, Any], expected: set[str]
) -> None:
    credential, _ = await Tokens(settings(**changed), None).identified(token(**claimed))
    assert credential.scopes == expected


async def test_which_claim_holds_the_tenant_is_configured() -> None:
    by_org = Tokens(settings(tenant_claim="org"), None)
    assert (await by_org.identified(token(org="initech")))[0].tenant == "initech"
    single = Tokens(settings(tenant_claim=""), None)
    assert (await single.identified(token(tenant="acme")))[0].tenant == "default"


async def test_a_subject_that_is_too_long_for_a_name_is_known_by_its_digest() -> None:
    tokens = Tokens(settings(), None)
    first, _ = await tokens.identified(token(sub="a" * 300))
    second, _ = await tokens.identified(token(sub="b" * 300))
    assert len(first.id) <= 128
    assert first.id != second.id


class TestKeySet:
    async def test_keys_are_read_once_for_many_tokens(
        self, tokens: Tokens, provider: Provider
    ) -> None:
        for _ in range(3):
            await tokens.identified(rs256())
        assert provider.asked == 1

    async def test_a_new_key_is_known_with_its_first_token(self, provider: Provider) -> None:
        tokens = Tokens(settings(), KeySet(provider.url, cooldown_seconds=0))
        await tokens.identified(rs256())
        provider.keys = [rsa_jwk(), rsa_jwk("new", 1)]
        await tokens.identified(rs256("new", number=1))
        assert provider.asked == 2

    async def test_unknown_keys_are_asked_for_no_oftener_than_the_cool_down_allows(
        self, provider: Provider
    ) -> None:
        tokens = Tokens(settings(), KeySet(provider.url, cooldown_seconds=1_000))
        for number in range(5):
            with pytest.raises(AuthenticationError, match="not known"):
                await tokens.identified(rs256(f"guess-{number}", number=1))
        assert provider.asked == 1

    async def test_a_key_that_is_not_shown_any_more_is_not_good_any_more(
        self, provider: Provider
    ) -> None:
        keys = KeySet(provider.url, cooldown_seconds=0)
        tokens = Tokens(settings(), keys)
        await tokens.identified(rs256())
        provider.keys = [ec_jwk()]
        await keys.refresh()
        with pytest.raises(AuthenticationError):
            await tokens.identified(rs256())

    async def test_keys_are_kept_while_the_provider_is_away(self, provider: Provider) -> None:
        keys = KeySet(provider.url, cooldown_seconds=0)
        tokens = Tokens(settings(), keys)
        await tokens.identified(rs256())
        provider.status = 503
        with pytest.raises(NotReadyError, match="503"):
            await keys.refresh()
        assert keys.problem is not None
        await tokens.identified(rs256())
        provider.status = 200
        await keys.refresh()
        assert keys.problem is None

    async def test_where_the_keys_were_never_read_nobody_is_blamed(
        self, provider: Provider
    ) -> None:
        provider.status = 500
        tokens = Tokens(settings(), KeySet(provider.url, cooldown_seconds=0))
        with pytest.raises(NotReadyError, match="not known"):
            await tokens.identified(rs256())

    @pytest.mark.parametrize(
        "keys",
        [
            [],
            [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}],
            [rsa_jwk(use="enc")],
            [rsa_jwk(alg="RS512")],
            [{"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"}],
            ["rsa"],
        ],
    )
    async def test_keys_that_verify_nothing_for_us_are_none(
        self, provider: Provider, keys: list[Any]
    ) -> None:
        provider.keys = keys
        with pytest.raises(NotReadyError, match="no JWKS document with a key"):
            await KeySet(provider.url, cooldown_seconds=0).refresh()

    @pytest.mark.parametrize(
        "bad",
        [
            {"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"},
            {"kty": "RSA", "kid": "x", "n": 5, "e": "AQAB"},
            {"kty": "EC", "kid": "x", "crv": "P-256", "x": "é", "y": []},
            {"kty": "EC", "kid": "x", "crv": ["P-256"], "x": "AA", "y": "AA"},
            rsa_jwk() | {"kid": ["x"]},
        ],
    )
    async def test_a_key_that_is_malformed_leaves_the_others(
        self, provider: Provider, bad: dict[str, Any]
    ) -> None:
        provider.keys = [bad, rsa_jwk(), ec_jwk()]
        tokens = Tokens(settings(), KeySet(provider.url, cooldown_seconds=0))
        await tokens.identified(rs256())

    async def test_a_token_need_not_name_the_only_key(self, provider: Provider) -> None:
        provider.keys = [rsa_jwk()]
        tokens = Tokens(settings(), KeySet(provider.url, cooldown_seconds=0))
        await tokens.identified(token(rsa_key(0), "RS256"))
