"""Who may call what: every operation that is served, with every kind of credential."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route

from olearn_core.api.app import create_app, routes
from olearn_core.api.operation import EVENT_STREAM, Operation
from olearn_core.api.operations import OPERATIONS
from olearn_core.auth import SCOPES
from olearn_core.auth.api_key import key_id
from olearn_core.service import Service
from tests.auth.provider import AUDIENCE, ISSUER, SECRET, Provider
from tests.auth.provider import rs256 as signed
from tests.auth.provider import token as shared
from tests.auth.test_tokens import confused, unsigned
from tests.support.credentials import KEY
from tests.support.services import running, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {"model_type": "success_prediction", "id": "1", "name": "ada"}


CLOSED = [operation for operation in OPERATIONS if operation.scope is not None]
OPEN = {"/livez", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs/problems"}
OPEN_FILES = "/docs/files"


def filled(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda name: PATHS.get(name[1], "nothing"), path)


@dataclass
class Door:
    """A service that asks everybody, and keys of all kinds."""

    service: Service
    client: httpx2.AsyncClient
    keys: dict[str, str]

    async def answer(self, operation: Operation, headers: dict[str, str]) -> httpx2.Response:
        path = filled(operation.path)
        if operation.media_type == EVENT_STREAM:
            head = await self.client.head(path, headers=headers)
            if head.is_success:
                return head  # a stream has no end: its head must do
        body: dict[str, Any] = {} if operation.method == "GET" else {"json": []}
        return await self.client.request(operation.method, path, headers=headers, **body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder: Path = tmp_path_factory.mktemp("door")
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(Provider().serving())
        tokens = {"algorithms": ["HS256", "RS256"], "issuer": ISSUER, "audience": AUDIENCE}
        settings = settings_for(
            folder,
            f"sqlite+aiosqlite:///{folder / 'olearn.db'}",
            api={"most_wrong_credentials": 0},
            jwt=tokens | {"secret": SECRET, "jwks_url": provider.url},
        )
        run = await stack.enter_async_context(running(settings))
        keys = run.service.authenticator.keys
        await keys.begin(KEY)
        made = {"operator": KEY}
        for scope in SCOPES:
            made[f"all but {scope}"], _ = await keys.create("acme", set(SCOPES) - {scope})
            made[f"operator without {scope}"], _ = await keys.create("*", set(SCOPES) - {scope})
        made["acme"], _ = await keys.create("acme", SCOPES)
        made["expired"], _ = await keys.create("acme", SCOPES, expires_at=time.time() + 0.001)
        made["revoked"], _ = await keys.create("acme", SCOPES)
        await keys.store.revoke(key_id(made["revoked"]), time.time())
        transport = httpx2.ASGITransport(create_app(run.service), raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        yield Door(run.service, await stack.enter_async_context(client), made)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


EARLIER = int(time.time()) - 3_600

UNKNOWN: dict[str, Callable[[Door], dict[str, str]]] = {
    "no key": lambda _: {},
    "no key, but another kind": lambda _: {"Authorization": "Basic YTpi"},
    "an empty key": lambda _: bearer(""),
    "a wrong key": lambda _: bearer("olk_live_000000000000_" + "0" * 43 + "000000"),
    "another's secret": lambda door: bearer(door.keys["acme"][:30] + door.keys["revoked"][30:]),
    "a bad checksum": lambda door: bearer(door.keys["acme"][:-1] + "!"),
    "an expired key": lambda door: bearer(door.keys["expired"]),
    "a revoked key": lambda door: bearer(door.keys["revoked"]),
    "neither key nor token": lambda _: bearer("hello"),
    "not even ASCII": lambda _: bearer("clé"),
    "a token without algorithm": lambda _: bearer(unsigned({"alg": "none", "typ": "JWT"})),
    "a public key as a secret": lambda _: bearer(confused()),
    "a token for others": lambda _: bearer(shared(aud="others")),
    "a token of others": lambda _: bearer(signed(number=1)),
    "an expired token": lambda _: bearer(signed(iat=EARLIER - 60, exp=EARLIER)),
    "an operator's token": lambda _: bearer(signed(tenant="*")),
} | {
    f"a token without {claim}": (lambda _, claim=claim: bearer(shared(**{claim: None})))
    for claim in ("exp", "iat", "iss", "aud", "sub", "tenant")
}

every_operation = pytest.mark.parametrize(
    "operation", CLOSED, ids=lambda operation: f"{operation.method} {operation.path}"
)


@pytest.mark.parametrize("shown", UNKNOWN.values(), ids=UNKNOWN)
@every_operation
async def test_who_is_not_known_is_asked_who_it_is(
    door: Door, operation: Operation, shown: Callable[[Door], dict[str, str]]
) -> None:
    headers = {k: v.encode() if not v.isascii() else v for k, v in shown(door).items()}
    answer = await door.answer(operation, headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="olearn"')
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 401
    for text in headers.values():
        assert len(text) < 20 or str(text)[20:] not in answer.text


def refused(answer: httpx2.Response) -> bool:
    if answer.status_code == 403:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code == 403


def may(answer: httpx2.Response) -> bool:
    return answer.status_code not in (401, 403)


@every_operation
async def test_each_operation_wants_its_scope(door: Door, operation: Operation) -> None:
    lacking = await door.answer(operation, bearer(door.keys[f"operator without {operation.scope}"]))
    assert refused(lacking)
    assert f'scope="{operation.scope}"' in lacking.headers["www-authenticate"]
    assert refused(await door.answer(operation, bearer(door.keys[f"all but {operation.scope}"])))
    others = [bearer(door.keys[f"all but {scope}"]) for scope in SCOPES if scope != operation.scope]
    assert all([may(await door.answer(operation, h)) != operation.operator for h in others])


@every_operation
async def test_a_tenant_s_key_speaks_for_no_other(door: Door, operation: Operation) -> None:
    own = bearer(door.keys["acme"])
    assert may(await door.answer(operation, own | {"Olearn-Tenant": "acme"})) != operation.operator
    for named in ("default", "ACME", "acme%20", "*", "acme,default"):
        assert refused(await door.answer(operation, own | {"Olearn-Tenant": named}))


@every_operation
async def test_an_operator_may_do_everything_for_everybody(
    door: Door, operation: Operation
) -> None:
    operator = bearer(door.keys["operator"])
    for headers in ({}, {"Olearn-Tenant": "acme"}, {"Olearn-Tenant": "b%C3%BCro"}):
        assert may(await door.answer(operation, operator | headers))
    for named in ("", "a%00b", "%ff", "a" * 129):
        answer = await door.answer(operation, operator | {"Olearn-Tenant": named})
        assert answer.status_code == 422


@every_operation
async def test_a_token_is_as_good_as_a_key_but_never_an_operator_s(
    door: Door, operation: Operation
) -> None:
    for text in (shared(), signed()):
        assert may(await door.answer(operation, bearer(text))) != operation.operator
    without = " ".join(f"olearn:{scope}" for scope in SCOPES if scope != operation.scope)
    assert refused(await door.answer(operation, bearer(shared(scope=without))))
    assert refused(await door.answer(operation, bearer(shared(scope="admin"))))


async def test_what_changes_the_whole_service_is_for_operators() -> None:
    for_operators = {f"{o.method} {o.path}" for o in CLOSED if o.operator}
    assert "POST /api/learning/models/save" in for_operators


async def test_the_rows_above_are_all_that_is_served_but_health_and_documents(door: Door) -> None:
    served = [route for route in routes(door.service) if isinstance(route, Route)]
    methods = {(m, route.path) for route in served for m in (route.methods or set()) - {"HEAD"}}
    rows = {(operation.method, operation.path) for operation in CLOSED}
    assert methods == rows | {("GET", path) for path in OPEN}
    mounted = {route.path for route in routes(door.service) if isinstance(route, Mount)}
    assert mounted == {OPEN_FILES}
    assert len(served) + len(mounted) == len(routes(door.service))


@pytest.mark.parametrize("path", sorted(OPEN | {f"{OPEN_FILES}/start.js"}))
async def test_health_and_documents_are_open_to_everybody(door: Door, path: str) -> None:
    assert (await door.client.get(path)).status_code == 200
    refused_elsewhere = {"Authorization": "Bearer hello", "Olearn-Tenant": "%ff"}
    assert (await door.client.get(path, headers=refused_elsewhere)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/api", "/docsx", "/livez/x", "//livez", "/metrics"]
)
async def test_every_other_path_is_closed_even_where_there_is_nothing(
    door: Door, path: str
) -> None:
    assert (await door.client.get(path)).status_code == 401
