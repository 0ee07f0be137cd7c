"""What one tenant's credential sees and changes, and what an operator's does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from olearn_core.auth import SCOPES
from olearn_core.plugins import PluginInfo
from tests.api.conftest import Api, Serving
from tests.support.credentials import KEY
from tests.support.services import eventually, received

GOOD = {"agent_name": "x", "status": "success"}
ACME = {"Olearn-Tenant": "acme"}


class Acme:
    """The same API, asked by a tenant."""

    def __init__(self, api: Api, text: str, key_id: str) -> None:
        self.api = api
        self.key_id = key_id
        self.headers = {"Authorization": f"Bearer {text}"}

    async def get(self, path: str) -> Any:
        return await self.api.get(path, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.api.post(path, json=body, headers=self.headers)


@pytest.fixture
async def acme(api: Api) -> Acme:
    text, row = await api.service.authenticator.keys.create("acme", SCOPES)
    return Acme(api, text, row.id)


async def reported(api: Api, who: Any, count: int, **fields: Any) -> None:
    answer = await who.post("/outcomes", {"agent_name": "ada", "status": "success"} | fields)
    assert answer.status_code == 202, answer.text
    await received(api.service, count)


class Operator:
    """The operator, on behalf of one tenant or as it is."""

    def __init__(self, api: Api, **headers: str) -> None:
        self.api = api
        self.headers = headers

    async def get(self, path: str) -> Any:
        return await self.api.get(path, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.api.post(path, json=body, headers=self.headers)


async def agents(who: Any) -> list[str]:
    return [row["agent_name"] for row in (await who.get("/agents/performance")).json()]


async def test_outcomes_are_the_credential_s_tenant_s_and_it_is_their_source(
    api: Api, acme: Acme
) -> None:
    await reported(api, acme, 1, agent_name="theirs", source="somebody else")
    await reported(api, api_as(api), 2, agent_name="ours")
    assert (await agents(acme), await agents(api_as(api))) == (["theirs"], ["ours"])
    assert await agents(api_as(api, **ACME)) == ["theirs"]
    first, _ = await api.service.source._log.read(0, 10)
    fields = msgspec.json.decode(first.value)
    assert (fields["tenant_id"], fields["source"]) == ("acme", acme.key_id)


def api_as(api: Api, **headers: str) -> Operator:
    return Operator(api, **headers)


@pytest.mark.parametrize(
    "path", ["/agents", "/metrics", "/alerts", "/models", "/dead-letters", "/budget", "/status"]
)
async def test_an_operator_who_mistypes_a_tenant_is_told(api: Api, acme: Acme, path: str) -> None:
    assert (await api.get(path, headers=ACME)).status_code == 200, "it has a key"
    answer = await api.get(path, headers={"Olearn-Tenant": "acmee"})
    assert answer.status_code == 404
    assert "there is no tenant 'acmee'" in answer.json()["detail"]


async def test_what_an_operator_changes_is_of_a_tenant_that_there_is(api: Api) -> None:
    answer = await api.post("/agents/ada/reinstate", headers={"Olearn-Tenant": "acmee"})
    assert answer.status_code == 404
    assert "there is no tenant" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"), [("/decisions", {"eligible_agents": ["ada"]}), ("/outcomes", GOOD)]
)
async def test_a_tenant_begins_with_its_first_decision_or_outcome(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    assert (await api.post(path, json=body, headers=ACME)).is_success

    async def is_known() -> bool:
        return bool((await api.get("/agents", headers=ACME)).status_code == 200)

    await eventually(is_known)


async def test_a_tenant_that_is_configured_is_known(serving: Serving) -> None:
    async with serving(decisions={"tenants": {"acme": {"preset": "thrifty"}}}) as api:
        assert (await api.get("/agents", headers=ACME)).status_code == 200


async def test_one_whose_outcomes_were_all_refused_is_known(api: Api) -> None:
    await api.service.publisher.publish("1", POISON % b'"acme"')
    await received(api.service, 1)
    assert list((await letters(api_as(api, **ACME))).values()) == ["acme"]


@pytest.mark.parametrize(
    "event",
    [
        {"tenant_id": "default"},
        {"specversion": "1.0", "id": "1", "data": {"agent_name": "x", "tenant_id": "default"}},
        {"specversion": "1.0", "data": {"tenant_id": 7}},
        {"agent_name": None, "specversion": "1.0", "tenant_id": "default", "data": GOOD},
    ],
)
async def test_an_outcome_that_names_another_tenant_is_refused_and_not_moved(
    api: Api, acme: Acme, event: dict[str, Any]
) -> None:
    body = {"agent_name": "ada", "status": "success"} | event
    refused = await acme.post("/outcomes", body)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["pointer"] == "#/tenant_id"
    assert await api.service.source._log.read(0, 10) == []


async def test_a_decision_is_found_by_its_own_tenant_only(api: Api, acme: Acme) -> None:
    made = (await acme.post("/decisions", {"eligible_agents": ["ada"]})).json()
    paths = [f"/decisions/{made['decision_id']}{rest}" for rest in ("", "/explanation")]
    for path in paths:
        assert (await acme.get(path)).status_code == 200
        assert (await api.get(path)).status_code == 404
        assert (await api.get(path, headers=ACME)).status_code == 200


POISON = b'{"agent_name": "ada", "status": "great", "tenant_id": %s}'


async def letters(who: Any) -> dict[int, str | None]:
    page = (await who.get("/dead-letters")).json()
    return {letter["id"]: letter["tenant"] for letter in page["letters"]}


async def counted(who: Any) -> tuple[int, int]:
    page = (await who.get("/dead-letters")).json()
    return page["total"], sum(page["by_reason"].values())


async def test_dead_letters_are_seen_by_those_they_belong_to(api: Api, acme: Acme) -> None:
    """What nobody can be told of is for operators."""
    for record in (POISON % b'"acme"', POISON % b"null", POISON % b'"\\n"', b"{", b"[]"):
        await api.service.publisher.publish("key", record)
    operator, default = api_as(api), api_as(api, **{"Olearn-Tenant": "default"})

    async def all_there() -> bool:
        return len(await letters(operator)) == 5

    await eventually(all_there, "dead letters")
    assert list((await letters(operator)).values()) == [None, None, None, "default", "acme"]
    assert await letters(acme) == await letters(api_as(api, **ACME)) == {1: "acme"}
    assert await letters(default) == {2: "default"}
    assert (await counted(operator), await counted(acme)) == ((5, 5), (1, 1))
    for number, who in ((1, acme), (2, default), (4, operator)):
        assert (await who.get(f"/dead-letters/{number}")).status_code == 200
    for number in (2, 3, 4, 5):
        assert (await acme.get(f"/dead-letters/{number}")).status_code == 404
        assert (await acme.post(f"/dead-letters/{number}/retry", {})).status_code == 404


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_retry_stays_with_the_letter_s_tenant(api: Api, acme: Acme, wrapped: bool) -> None:
    await api.service.publisher.publish("key", POISON % b'"acme"')
    await eventually(lambda: letters(acme), "the letter")
    good: dict[str, Any] = {"agent_name": "corrected", "status": "success"}
    foreign = await acme.post("/dead-letters/1/retry", {"outcome": good | {"tenant_id": "default"}})
    assert foreign.status_code == 403
    whole = {"specversion": "1.0", "data": good} if wrapped else good
    assert (await acme.post("/dead-letters/1/retry", {"outcome": whole})).status_code == 200
    await received(api.service, 2)
    assert await agents(acme) == ["corrected"]
    assert await agents(api_as(api)) == []


async def test_the_metrics_of_a_tenant_tell_of_no_other(api: Api, acme: Acme) -> None:
    await reported(api, acme, 1, agent_name="theirs", context={"domain": "law"})
    await api.service.publisher.publish("key", POISON % b'"acme"')
    await received(api.service, 2)
    names = ("samples_processed", "samples_per_second", "current_model_score", "agent_count")
    names += ("dead_letters",)

    async def figures(who: Any) -> list[Any]:
        metrics = (await who.get("/metrics")).json()
        return [metrics[name] for name in names]

    count, rate, *others = await figures(acme)
    assert (count, rate > 0, others) == (1, True, [1.0, 1, 1])
    for number in range(5):
        await reported(api, api_as(api), 3 + number, agent_name="ours", status="failure")
    await api.service.publisher.publish("key", POISON % b'"default"')
    await received(api.service, 8)
    assert await figures(acme) == [1, pytest.approx(rate, rel=0.1), *others]
    assert (await figures(api_as(api)))[0] == 6, "an operator sees the whole"
    assert (await figures(api_as(api, **ACME)))[0] == 1


async def test_a_tenant_is_told_what_is_wrong_but_nothing_of_our_insides(
    api: Api, acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = PluginInfo("broken", "broken", "1", problem="File '/srv/secret.py' is missing")
    monkeypatch.setattr(api.service.plugins, "infos", [broken])
    whole, told = (await api_as(api).get("/status")).json(), (await acme.get("/status")).json()
    assert whole["warnings"] == ["plugin broken: File '/srv/secret.py' is missing"]
    assert whole["failed_plugins"]["broken"] == broken.problem
    assert told["warnings"] == ["plugin broken"]
    assert list(told["failed_plugins"]) == ["broken"]
    assert "secret" not in str(told)


async def rolled(who: Any, **asked: Any) -> Any:
    path = "/models/success_prediction/rollback"
    return await who.post(path, {"to_version": 1, "reason": "test"} | asked)


async def test_only_an_operator_rolls_everybody_back(api: Api, acme: Acme) -> None:
    await reported(api, acme, 1)
    await reported(api, api_as(api), 2)
    assert (await api.post("/models/save")).status_code == 200
    await reported(api, acme, 3)
    await reported(api, api_as(api), 4)
    assert (await rolled(acme, tenant="default")).status_code == 403
    own = await rolled(acme)
    assert own.json()["tenants"] == ["acme"], own.text
    assert (await rolled(api_as(api, **ACME), tenant="default")).status_code == 403
    everybody = await rolled(api_as(api))
    assert everybody.json()["tenants"] == ["default"], "the other one is there already"
    undone = await acme.post(
        "/models/success_prediction/rollback", {"undo": everybody.json()["rollback_id"]}
    )
    assert undone.status_code == 404, "what was done to others is not theirs to undo"


async def test_a_key_that_is_revoked_is_refused_within_seconds(api: Api, acme: Acme) -> None:
    assert (await acme.get("/status")).status_code == 200
    await api.service.authenticator.keys.store.revoke(acme.key_id, 1.0)

    async def refused() -> bool:
        return bool((await acme.get("/status")).status_code == 401)

    await eventually(refused, "it is refused", 5.0)
    assert (await api.get("/status")).status_code == 200


async def test_while_the_database_is_away_known_keys_stay_good_and_others_have_to_wait(
    api: Api, acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await acme.get("/budget")).status_code == 200
    text, _ = await api.service.authenticator.keys.create("acme", SCOPES)

    async def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, OSError("gone"))

    monkeypatch.setattr(api.service.authenticator.keys.store, "some", away)
    await api.service.authenticator.look()
    assert (await acme.get("/budget")).status_code == 200
    new = await api.get("/budget", headers={"Authorization": f"Bearer {text}"})
    assert (new.status_code, new.headers["retry-after"]) == (503, "1")


async def test_the_key_stands_behind_bearer_in_any_case(api: Api) -> None:
    for kind in ("bearer", "BEARER", "Bearer "):
        answer = await api.get("/status", headers={"Authorization": f"{kind} {KEY}"})
        assert answer.status_code == 200
