"""A client of the HTTP API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from olearn_core.client.keys import found_key
from olearn_core.client.replies import Reply
from olearn_core.errors import ServiceError
from olearn_core.events import encode_outcome
from olearn_core.schemas import (
    AgentPerformance,
    AgentsResponse,
    AlertsResponse,
    DeadLetterResponse,
    DeadLettersResponse,
    DecisionResponse,
    LoggedDecisionResponse,
    MetricsResponse,
    ModelResponse,
    OutcomeResponse,
    RetirementResponse,
    RetryResponse,
    RollbackResponse,
    SaveResponse,
    StatusResponse,
    VersionsResponse,
)

DEFAULT_URL = "http://127.0.0.1:8000"
ROOT = "/api/learning"
HEADERS = {"Content-Type": "application/json"}

AnswerT = TypeVar("AnswerT", bound=BaseModel)
_performance = TypeAdapter(list[AgentPerformance])


class OlearnClient:
    """
    Asks one service; use it as an asynchronous context manager.

    Methods raise `ServiceError` where the service cannot be reached, and its
    kind `RefusedError` where it answers with a problem.

    :param connections: requests that are under way at once; others wait
    :param api_key: or a token; else $OLEARN_API_KEY, and for a service on this machine the
        key that it has written into the current folder
    :param tenant: on whose behalf an operator asks; other keys are for one tenant
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout_seconds: float = 30.0,
        connections: int = 8,
        api_key: str | None = None,
        tenant: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx2.AsyncClient(
            headers=HEADERS | _credentials(api_key or found_key(self.url), tenant),
            limits=limits,
            timeout=timeout_seconds,
            verify=self.url.startswith("https"),  # else certificates would be loaded for nothing
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def decide(
        self,
        task_type: str,
        context: Mapping[str, Any] | None = None,
        *,
        eligible_agents: Sequence[str] | None = None,
        excluded_agents: Sequence[str] = (),
        weights: Mapping[str, float] | None = None,
        **wishes: Any,
    ) -> DecisionResponse:
        """
        Ask which agent should do a task; report its outcome with the answer's decision_id.

        :param eligible_agents: candidates, None for all seen lately; may name new ones
        :param weights: of success, quality, latency and cost, None for the configured ones
        :param wishes: other members of a `DecisionRequest`, such as `preset` or `limits`
        """
        body: dict[str, Any] = {"task_type": task_type, "context": dict(context or {}), **wishes}
        if eligible_agents is not None:
            body["eligible_agents"] = list(eligible_agents)
        if excluded_agents:
            body["excluded_agents"] = list(excluded_agents)
        if weights is not None:
            body["weights"] = dict(weights)
        return await self._ask(DecisionResponse, "POST", f"{ROOT}/decisions", body)

    async def decision(self, decision_id: str) -> LoggedDecisionResponse:
        """Look a decision up: what was asked, and the law that its agent was drawn from."""
        path = f"{ROOT}/decisions/{_segment(decision_id)}"
        return await self._ask(LoggedDecisionResponse, "GET", path)

    async def report(self, outcome: Mapping[str, Any]) -> OutcomeResponse:
        """
        Tell what an agent did; the log has it when this returns.

        An outcome that names its tenant is reported on that tenant's behalf.
        """
        headers = _credentials(None, outcome.get("tenant_id"))
        return await self._ask(OutcomeResponse, "POST", f"{ROOT}/outcomes", outcome, headers)

    async def status(self) -> StatusResponse:
        """Ask what the service is doing and what is wrong."""
        return await self._ask(StatusResponse, "GET", f"{ROOT}/status")

    async def metrics(self) -> MetricsResponse:
        """Ask how learning goes."""
        return await self._ask(MetricsResponse, "GET", f"{ROOT}/metrics")

    async def alerts(self) -> AlertsResponse:
        """Ask what deserves attention, and what did until lately."""
        return await self._ask(AlertsResponse, "GET", f"{ROOT}/alerts")

    async def agents(self, by: Literal["agent", "task_type"] = "agent") -> list[AgentPerformance]:
        """Ask what each agent has done, over all task types or one row each."""
        reply = await self.request("GET", f"{ROOT}/agents/performance?by={by}")
        try:
            return _performance.validate_json(reply.accepted())
        except ValidationError as error:
            raise self._not_olearn() from error

    async def retired_agents(self) -> set[str]:
        """Ask which agents are not chosen any more."""
        found: set[str] = set()
        query = httpx2.QueryParams(retired="true", limit=500)
        while True:
            page = await self._ask(AgentsResponse, "GET", f"{ROOT}/agents?{query}")
            found.update(agent.agent_name for agent in page.agents)
            if page.next_cursor is None:
                return found
            query = query.set("cursor", page.next_cursor)

    async def retire(self, agent: str, reason: str = "") -> RetirementResponse:
        """Have an agent chosen no more, on every node."""
        path = f"{ROOT}/agents/{_segment(agent)}/retire"
        return await self._ask(RetirementResponse, "POST", path, {"reason": reason})

    async def reinstate(self, agent: str) -> RetirementResponse:
        """Let a retired agent be chosen again."""
        path = f"{ROOT}/agents/{_segment(agent)}/reinstate"
        return await self._ask(RetirementResponse, "POST", path)

    async def model(self, model_type: str) -> ModelResponse:
        """Ask about one model."""
        return await self._ask(ModelResponse, "GET", f"{ROOT}/models/{_segment(model_type)}")

    async def versions(self, model_type: str) -> VersionsResponse:
        """Ask for a model's versions, newest first."""
        path = f"{ROOT}/models/{_segment(model_type)}/versions"
        return await self._ask(VersionsResponse, "GET", path)

    async def save(self) -> SaveResponse:
        """Have a version of every model saved."""
        return await self._ask(SaveResponse, "POST", f"{ROOT}/models/save")

    async def rollback(
        self,
        model_type: str,
        *,
        to_version: int | None = None,
        undo: int | None = None,
        tenant: str | None = None,
        reason: str = "",
    ) -> RollbackResponse:
        """
        Bring a model back to one of its versions, or undo a rollback: give one of both.

        :param tenant: None for all tenants
        """
        body = {"to_version": to_version, "undo": undo, "tenant": tenant, "reason": reason}
        path = f"{ROOT}/models/{_segment(model_type)}/rollback"
        return await self._ask(RollbackResponse, "POST", path, body)

    async def dead_letters(self, limit: int = 50, **filters: str | int) -> DeadLettersResponse:
        """
        Ask for outcomes that could not be learned, newest first.

        :param limit: of this page, at most 500
        :param filters: `reason` (a part of it or of the pointer), `topic`, `since` (RFC 3339),
            `retried` ("true", "false") and `before` (an id, for the next page)
        """
        query = httpx2.QueryParams({**filters, "limit": limit})
        return await self._ask(DeadLettersResponse, "GET", f"{ROOT}/dead-letters?{query}")

    async def dead_letter(self, letter_id: int) -> DeadLetterResponse:
        """Ask for one dead letter with what is kept of its record."""
        return await self._ask(DeadLetterResponse, "GET", f"{ROOT}/dead-letters/{letter_id}")

    async def retry_dead_letter(
        self, letter_id: int, outcome: Mapping[str, Any] | None = None, *, again: bool = False
    ) -> RetryResponse:
        """
        Have a dead letter learned after all.

        :param outcome: what it should have said, None where it was right
        :param again: although it was retried before
        """
        body: dict[str, Any] = {"again": again}
        if outcome is not None:
            body["outcome"] = dict(outcome)
        path = f"{ROOT}/dead-letters/{letter_id}/retry"
        return await self._ask(RetryResponse, "POST", path, body)

    async def request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        Send any request.

        :raises ServiceError: where no answer comes; one of refusal is returned
        """
        started = time.perf_counter()
        try:
            response = await self._http.request(
                method, self.url + path, content=content, headers=headers
            )
        except httpx2.ConnectError as error:
            raise ServiceError(
                f"no olearn service answers at {self.url}: start one with `olearn serve`,"
                " or name another with --url or OLEARN_URL"
            ) from error
        except httpx2.TimeoutException as error:
            raise ServiceError(
                f"the service at {self.url} did not answer in {self._timeout_seconds:g} s:"
                " its log may say why"
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise ServiceError(
                f"{self.url!r} is not the address of a service; it looks like {DEFAULT_URL}"
            ) from error
        except httpx2.TransportError as error:
            raise ServiceError(
                f"the service at {self.url} broke the connection off: is it being stopped?"
            ) from error
        return Reply(response.status_code, response.content, time.perf_counter() - started)

    async def _ask(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AnswerT:
        content = None if body is None else encode_outcome(body)
        reply = await self.request(method, path, content, headers)
        try:
            return answer.model_validate_json(reply.accepted())
        except ValidationError as error:
            raise self._not_olearn() from error

    def _not_olearn(self) -> ServiceError:
        return ServiceError(
            f"what answers at {self.url} is not an olearn service of this version:"
            " name another with --url or OLEARN_URL"
        )


def _credentials(api_key: str | None, tenant: Any) -> dict[str, str]:
    """Return the headers that say who asks, and on whose behalf."""
    found = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return found | ({"Olearn-Tenant": _segment(tenant)} if isinstance(tenant, str) else {})


def _segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return str(httpx2.QueryParams({"": name})).removeprefix("=").replace("+", "%20")
