"""The client that agents' runtimes use."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from olearn_core.client import OlearnClient, RefusedError, Reply
from olearn_core.errors import ServiceError
from tests.support.services import eventually


@asynccontextmanager
async def answering(response: bytes | None):
    """A server that says one thing to everybody; where that is None, it says nothing."""
    left = asyncio.Queue()

    async def answer(reader, writer):
        left.put_nowait(None)
        await reader.readuntil(b"\r\n\r\n")
        if response is None:
            await reader.read()
        else:
            writer.write(response)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        left.task_done()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
        await left.join()


async def test_a_decision_can_be_looked_up(service):
    async with OlearnClient(service.url) as client:
        made = await client.decide("mail", {"domain": "law"}, eligible_agents=["a", "b"])
        found = await client.decision(made.decision_id)
        assert (found.agent_name, found.propensity) == (made.agent_name, made.propensity)
        assert found.context == {"domain": "law"}
        with pytest.raises(RefusedError, match="no such decision"):
            await client.decision("nonsense")


async def test_decide_and_report_the_outcome(service):
    async with OlearnClient(service.url + "/") as client:
        decision = await client.decide(
            "mail",
            {"domain": "law"},
            eligible_agents=["a", "b", "c"],
            excluded_agents=["b", "c"],
            weights={"success": 1.0},
        )
        assert decision.agent_name == "a"
        limits = {"latency_ms": {"most": 60_000}}
        why = await client.decide("mail", eligible_agents=["a"], limits=limits, explain=True)
        assert why.explanation is not None
        assert [limit.name for limit in why.explanation.limits] == ["latency_ms"]
        reported = await client.report(
            {
                "agent_name": "a",
                "task_type": "mail",
                "status": "success",
                "decision_id": decision.decision_id,
            }
        )
        assert reported.event_id

        async def is_learned():
            rows = await client.agents("task_type")
            return [(r.agent_name, r.task_type, r.total_executions) for r in rows] == [
                ("a", "mail", 1)
            ]

        await eventually(is_learned)


async def test_status_metrics_and_models(service):
    async with OlearnClient(service.url) as client:
        assert (await client.status()).running
        assert (await client.metrics()).failed_updates == 0
        assert (await client.model("success_prediction")).kind == "predictor"
        number = (await client.save()).versions["success_prediction"]
        newest = (await client.versions("success_prediction")).versions[0]
        assert newest.version_number == number


async def test_a_refusal_has_status_and_reason(service):
    async with OlearnClient(service.url) as client:
        with pytest.raises(RefusedError, match="agent_name") as refused:
            await client.report({"status": "success"})
        assert refused.value.status == 422
        with pytest.raises(RefusedError, match="no such") as refused:
            await client.model("no such")
        assert refused.value.status == 404


async def test_nobody_there(nobody):
    async with OlearnClient(nobody) as client:
        with pytest.raises(ServiceError, match="olearn serve"):
            await client.status()


@pytest.mark.parametrize("url", ["localhost:8000", "http://127.0.0.1:port", "ftp://127.0.0.1"])
async def test_not_an_address(url):
    async with OlearnClient(url) as client:
        with pytest.raises(ServiceError, match="address"):
            await client.status()


@pytest.mark.parametrize("body", [b"<html>", b'{"hello": 1}'])
async def test_somebody_else_answers(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    async with answering(head + body) as url, OlearnClient(url) as client:
        with pytest.raises(ServiceError, match="not an olearn service"):
            await client.status()
        with pytest.raises(ServiceError, match="not an olearn service"):
            await client.agents()


async def test_a_connection_that_breaks():
    async with answering(b"") as url, OlearnClient(url) as client:
        with pytest.raises(ServiceError, match="broke"):
            await client.status()


async def test_an_answer_that_does_not_come():
    async with answering(None) as url, OlearnClient(url, timeout_seconds=0.05) as client:
        with pytest.raises(ServiceError, match="did not answer in 0"):
            await client.status()


def test_a_reason_is_given_even_where_the_body_is_none():
    assert Reply(502, b"", 0.0).detail == "no reason given"
    assert Reply(502, b"Bad gateway", 0.0).detail == "Bad gateway"


async def test_an_operator_s_client_speaks_for_the_tenant_that_is_named(service):
    event = {"agent_name": "x", "status": "success"}
    async with OlearnClient(service.url) as client:
        await client.report(event | {"tenant_id": "büro"})
    async with OlearnClient(service.url, tenant="büro") as client:
        await client.report(event)

        async def both_learned():
            with suppress(RefusedError):  # nobody knows the tenant until the first is learned
                rows = [(row.agent_name, row.total_executions) for row in await client.agents()]
                return rows == [("x", 2)]

        await eventually(both_learned)


async def test_without_a_good_key_it_says_where_to_put_one(service):
    async with OlearnClient(service.url, api_key="olk_live_x") as client:
        with pytest.raises(RefusedError, match="OLEARN_API_KEY") as refused:
            await client.status()
        assert refused.value.status == 401
