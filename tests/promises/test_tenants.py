"""No tenant sees or moves another's numbers, whatever the other claims."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.api.app import create_app
from olearn_core.api.operations import OPERATIONS, ROOT
from olearn_core.auth import SCOPES
from olearn_core.service import Service
from olearn_core.statistics import Statistics, to_bytes
from olearn_core.statistics.codec import canonical
from olearn_core.tokens import Decided, SigningKey, eligible_hash, sign
from tests.promises.by_hand import fresh_shard, learn
from tests.promises.proof import examples
from tests.support.credentials import HEADERS, admit
from tests.support.events import outcome, rfc3339, stream
from tests.support.services import publish, received, running, settings_for
from tests.support.workers import NOW

pytestmark = pytest.mark.promise("P15")

OURS, THEIRS = "default", "acme"
OF_TENANTS = [o for o in OPERATIONS if o.path.startswith(ROOT)]  # the others are operators'
FOR_OPERATORS = {o.path.removeprefix(ROOT) for o in OF_TENANTS if o.operator}
MODELS = ("success_prediction", "quality_prediction", "latency_prediction", "cost_prediction")
KEY = SigningKey(1, b"secret")

# What differs from call to call, or counts what the whole service does.
VOLATILE = {"timestamp", "as_of", "view_version", "decision_id", "retired_at"}
GLOBAL: dict[str, set[str]] = {
    "GET /status": {"lag", "lost_records", "dedup", "warnings", "status"},
    "GET /metrics": {
        *("total_updates", "successful_updates", "failed_updates", "avg_update_time_ms", "lag"),
        *("p95_update_time_ms", "duplicates", "lag_seconds"),
        "samples_per_second",  # a mean up to now
        "decided",  # how many of one's own are counted yet is a matter of time
    },
    "GET /returns": {"decided", "rows"},
    # Versions are complete: they hold the sums of all tenants, and operators list them.
    "POST /models/save": {"versions"},
    "GET /models": {"update_count", "last_update", "active_version"},
    "GET /models/{model_type}": {"update_count", "last_update", "active_version"},
    "GET /models/{model_type}/versions": {"versions"},
}

TASK = {"task_type": "code", "context": {"domain": "law"}}
OUTCOME = {"event_id": "posted", "agent_name": "ada", "status": "success", "task_type": "code"}
REQUESTS: dict[str, Sequence[tuple[str, Any]]] = {
    "POST /outcomes": [("/outcomes", OUTCOME), ("/outcomes", OUTCOME | {"tenant_id": THEIRS})],
    "POST /outcomes/batch": [("/outcomes/batch", [OUTCOME | {"tenant_id": THEIRS}])],
    "POST /decisions/batch": [("/decisions/batch", [TASK, {"task_type": "theirs"}])],
    "POST /predict/agent-selection/batch": [("/predict/agent-selection/batch", [{}, TASK])],
    "POST /predict/{model_type}/batch": [(f"/predict/{m}/batch", [TASK]) for m in MODELS],
    "POST /decisions": [
        ("/decisions", TASK),
        ("/decisions", TASK | {"eligible_agents": ["ada", "dürer", "mallory"]}),
        ("/decisions", {"task_type": "plan", "excluded_agents": ["bob"], "weights": {"cost": 1}}),
        ("/decisions", TASK | {"preset": "thrifty", "explain": True}),
    ],
    "GET /decisions/{decision_id}": [
        ("/decisions/nonsense", None),
    ],
    "POST /predict/agent-selection": [
        ("/predict/agent-selection", {"top_k": 10}),
        ("/predict/agent-selection", {"task_type": "theirs"}),
    ],
    "POST /predict/{model_type}": [(f"/predict/{model}", TASK) for model in MODELS]
    + [(f"/predict/{model}", {"agents": ["mallory", "ada"]}) for model in MODELS],
    "GET /decisions/{decision_id}/explanation": [("/decisions/none/explanation", None)],
    "GET /returns": [("/returns", None)],
    "GET /pareto": [("/pareto?task_type=code", None), ("/pareto?task_type=theirs", None)],
    "GET /apprentice": [("/apprentice", None)],
    "GET /budget": [("/budget", None)],
    "GET /status": [("/status", None)],
    "GET /metrics": [("/metrics", None)],
    "GET /agents/performance": [
        ("/agents/performance", None),
        ("/agents/performance?by=task_type", None),
    ],
    "POST /models/save": [("/models/save", None)],
    "GET /models/{model_type}": [(f"/models/{model}", None) for model in MODELS]
    + [("/models/agent_selection", None)],
    "GET /models/{model_type}/versions": [(f"/models/{m}/versions", None) for m in MODELS],
    "POST /models/{model_type}/rollback": [
        (f"/models/{model}/rollback", {"to_version": 10**6, "reason": "none"}) for model in MODELS
    ],
    "GET /agents": [("/agents", None), ("/agents?sort=name&limit=2", None)],
    "GET /agents/{name}": [("/agents/ada", None), ("/agents/mallory", None)],
    "POST /agents/{name}/retire": [("/agents/bob/retire", {}), ("/agents/mallory/retire", {})],
    "POST /agents/{name}/reinstate": [("/agents/bob/reinstate", None)],
    "GET /alerts": [("/alerts", None)],
    "GET /models": [("/models", None)],
    "GET /models/{model_type}/validation": [(f"/models/{m}/validation", None) for m in MODELS],
    # It never ends; tests of its own ask what a reader is told.
    "GET /stream": [],
    # Of the whole service, for operators alone.
    "GET /workers": [],
    "GET /plugins": [("/plugins", None)],
    "GET /configuration": [("/configuration", None)],
    "GET /dead-letters": [("/dead-letters", None)],
    "GET /dead-letters/{id}": [("/dead-letters/1", None)],
    "POST /dead-letters/{id}/retry": [("/dead-letters/1/retry", {})],
}


# ---- every endpoint


class Client:
    """Asks a service everything that there is to ask."""

    def __init__(self, service: Service, client: httpx2.AsyncClient) -> None:
        self.service = service
        self._client = client

    async def ask(self, method: str, path: str, body: Any, **headers: str) -> httpx2.Response:
        """Ask as our tenant; what is an operator's to do, as an operator."""
        if path in FOR_OPERATORS:
            headers = HEADERS
        return await self._client.request(method, ROOT + path, json=body, headers=headers)

    async def all_answers(self) -> dict[str, str]:
        """Return what each request is answered, without what belongs to no tenant."""
        found = {}
        for operation, requests in REQUESTS.items():
            for path, body in requests:
                answer = await self.ask(operation.split()[0], path, body)
                own = _own(answer.json(), GLOBAL.get(operation, set()) | VOLATILE)
                found[f"{operation} {path} {body}"] = f"{answer.status_code} {json.dumps(own)}"
        return found

    async def sent(self, records: Sequence[bytes]) -> None:
        """Put records straight into the log, past the API, and wait until they are learned."""
        before = self.service.view.counters().get("received", 0)
        await publish(self.service.publisher, records)
        await received(self.service, before + len(records))


def _own(answer: Any, left_out: set[str]) -> Any:
    if isinstance(answer, Mapping):
        return {k: _own(v, left_out) for k, v in answer.items() if k not in left_out}
    if isinstance(answer, list):
        return [_own(item, left_out) for item in answer]
    return answer


@asynccontextmanager
async def asking(folder: Path, url: str, **sections: Any) -> AsyncIterator[Client]:
    async with running(settings_for(folder, url, **sections)) as run:
        transport = httpx2.ASGITransport(create_app(run.service))
        await admit(run.service)
        text, _ = await run.service.authenticator.keys.create(OURS, SCOPES)
        headers = {"Authorization": f"Bearer {text}"}
        client = httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        )
        async with client:
            yield Client(run.service, client)


def ours(now: float) -> list[bytes]:
    return [record for record in stream(15, 300, now) if THEIRS.encode() not in record]


def theirs(now: float) -> list[bytes]:
    """Return what would change everything if it counted for us: our agents, at their worst."""
    rng = random.Random(15)
    worst = {"status": "failure", "latency_ms": 86_400_000, "cost_usd": 1_000, "quality_score": 0}
    agents, tasks = ("ada", "bob", "cyd", "dürer", "mallory"), ("code", "plan", "theirs", "default")
    return [
        outcome(
            event_id=f"15-{number}",  # ours, too
            tenant_id=THEIRS,
            agent_name=rng.choice(agents),
            task_type=rng.choice(tasks),
            timestamp=rfc3339(now - rng.random() * 86_400),
            context={"domain": "law"},
            **worst,
        )
        for number in range(300)
    ]


def test_every_operation_is_asked() -> None:
    """A new one needs a line in REQUESTS, so that it is thought of here."""
    declared = {f"{o.method} {o.path.removeprefix(ROOT)}" for o in OF_TENANTS}
    assert declared == REQUESTS.keys()


@pytest.mark.kafka
async def test_no_answer_changes_when_another_tenant_s_outcomes_are_learned(
    tmp_path: Path,
    sqlite_url: str,
    kafka_broker: Any,
    kafka_topic: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte; then neither when their models are rolled back."""
    # Decisions are drawn with the same nonce each time.
    frozen = SimpleNamespace(urandom=bytes)
    monkeypatch.setattr("olearn_core.decisions.decider.os", frozen)
    topic = await kafka_topic(2)
    kafka = {
        "bootstrap_servers": kafka_broker.bootstrap,
        "outcome_topic": topic,
        "group": topic,
    }
    now = time.time()
    async with asking(tmp_path, sqlite_url, kafka=kafka) as client:
        await client.sent(ours(now))
        posted = await client.ask("POST", "/outcomes", OUTCOME)
        assert posted.status_code == 202
        await received(client.service, len(ours(now)) + 1)
        before = await client.all_answers()
        assert sum(answer.startswith("2") for answer in before.values()) > 20
        assert "mallory" not in before["GET /agents/performance /agents/performance None"]

        await client.sent(theirs(now))
        assert THEIRS in client.service.view.tenants
        assert await client.all_answers() == before

        rolled = await client.ask(
            "POST",
            "/models/success_prediction/rollback",
            {"to_version": 1, "tenant": THEIRS},
            **HEADERS,
        )
        assert rolled.status_code == 200, rolled.text
        await client.service.view.poll()
        assert await client.all_answers() == before


async def test_over_http_nobody_speaks_for_another_tenant(tmp_path: Path, sqlite_url: str) -> None:
    async with asking(tmp_path, sqlite_url) as client:
        refused = await client.ask("POST", "/outcomes", OUTCOME | {"tenant_id": THEIRS})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (403, "#/tenant_id")
        await client.ask("POST", "/outcomes", OUTCOME | {"tenant_id": OURS})
        await received(client.service, 1)
        assert client.service.view.tenants == {OURS}


# ---- decisions


async def test_a_decision_of_one_tenant_does_not_join_another_s_outcome(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Their outcome is learned as theirs, the token counted as bad, and ours joins afterwards."""
    async with asking(tmp_path, sqlite_url) as client:
        asked = await client.ask("POST", "/decisions", {"eligible_agents": ["ada"]})
        token = {"decision_id": asked.json()["decision_id"], "agent_name": "ada"}
        await client.sent([outcome(event_id="1", tenant_id=THEIRS, **token)])
        counters = client.service.view.counters()
        assert (counters.get("bad_tokens"), counters.get("joined", 0)) == (1, 0)
        await client.sent([outcome(event_id="2", **token)])
        counters = client.service.view.counters()
        assert (counters["bad_tokens"], counters["joined"]) == (1, 1)
        assert counters.get("duplicates", 0) == 0


def test_where_tokens_are_required_another_s_is_a_dead_letter() -> None:
    token = token_of(OURS, 1)
    shard = fresh_shard(keys={1: KEY}, require_token=True)
    learn(shard, [outcome(tenant_id=THEIRS, decision_id=token), outcome(decision_id=token)])
    assert shard.tick is not None
    assert [(x.offset, x.pointer) for x in shard.tick.dead_letters] == [(0, "/decision_id")]
    assert shard.table.totals()["executions"] == 1


def token_of(tenant: str, number: int) -> str:
    nonce, eligible = number.to_bytes(12, "big"), eligible_hash(["ada"])
    return sign(KEY, Decided(nonce, 0.5, 1, int(NOW), eligible, tenant, "code", "ada"))


# ---- sums

claims = st.lists(
    st.fixed_dictionaries(
        {
            "tenant_id": st.sampled_from([OURS, THEIRS, "Default", "default ", "__other__", ...]),
            "event_id": st.integers(0, 8).map(str),
            "agent_name": st.sampled_from(["ada", "bob"]),
            "decision_id": st.sampled_from([..., token_of(OURS, 1), token_of(THEIRS, 1)]),
            "status": st.sampled_from(["success", "failure", "pending"]),
        }
    ),
    max_size=40,
)


def of_tenant(table: Statistics, tenant: str) -> bytes:
    rows = [row for cell, row in table.rows.items() if cell.tenant == tenant]
    return to_bytes(canonical(table.take(rows)))


@examples(200, 20_000)
@given(claims)
def test_a_tenant_s_sums_are_those_of_its_own_outcomes(events: list[dict[str, Any]]) -> None:
    """Whoever writes between them: the same ids, the same agents, tokens that are not theirs."""
    mixed = learn(fresh_shard(keys={1: KEY}), [outcome(**event) for event in events])
    for tenant in (OURS, THEIRS):
        own = [e for e in events if e["tenant_id"] in (tenant, ... if tenant == OURS else tenant)]
        alone = learn(fresh_shard(keys={1: KEY}), [outcome(**event) for event in own])
        assert of_tenant(mixed.table, tenant) == of_tenant(alone.table, tenant)
