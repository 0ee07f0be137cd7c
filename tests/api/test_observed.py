"""Every request has an id, a line in the log and its trace; health says what it stands on."""

from __future__ import annotations

import json
import logging

import pytest

from olearn_core.logs import JsonFormatter, TextFormatter, redacted
from tests.api.conftest import Api, Serving
from tests.support.services import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
ACCESS = "olearn_core.access"


class Lines(logging.Handler):
    """Collects the lines that a formatter writes."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Lines:
    """The lines of JSON about requests."""
    handler = Lines(JsonFormatter())
    logger = logging.getLogger(ACCESS)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


async def test_a_request_keeps_the_id_that_it_came_with(api: Api) -> None:
    answer = await api.get("/status", headers={"X-Request-ID": "caller-7"})
    assert answer.headers["x-request-id"] == "caller-7"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "<script>"])
async def test_one_without_a_fit_id_gets_one(api: Api, given: str) -> None:
    ids = {
        (await api.get("/status", headers={"X-Request-ID": given})).headers["x-request-id"]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert given not in ids


async def test_failures_have_ids_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(api.service.progress, "metrics", broken)
    answer = await api.get("/metrics", headers={"X-Request-ID": "caller-8"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "caller-8")


async def test_the_log_has_a_line_for_each_request_with_its_ids(api: Api, lines: Lines) -> None:
    headers = {"X-Request-ID": "caller-9", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    await api.get("/models/agent_selection?secret=1", headers=headers)
    (line,) = map(json.loads, lines.lines)
    assert line.pop("ts").endswith("Z")
    assert 0 < line.pop("duration_seconds") < 5
    assert line.pop("msg").startswith("GET /api/learning/models/agent_selection 200 in ")
    assert line == {
        "level": "DEBUG",
        "logger": ACCESS,
        "request_id": "caller-9",
        "trace_id": TRACE,
        "span_id": SPAN,
        "method": "GET",
        "route": "/api/learning/models/{model_type}",
        "status": 200,
    }


async def test_health_checks_are_not_worth_a_line(api: Api, lines: Lines) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        await api.get(path)
    assert lines.lines == []


@pytest.mark.parametrize(("access", "level"), [("off", None), ("info", "INFO")])
async def test_the_level_of_these_lines_is_configured(
    serving: Serving, lines: Lines, access: str, level: str | None
) -> None:
    async with serving(logging={"access": access}) as api:
        await api.get("/status")
    assert [json.loads(line)["level"] for line in lines.lines] == ([level] if level else [])


@pytest.mark.parametrize("given", ["", "00-zz-00-01", f"00-{'0' * 32}-{SPAN}-01", "ff-" + TRACE])
async def test_a_trace_that_is_none_is_left_out(api: Api, lines: Lines, given: str) -> None:
    await api.get("/status", headers={"traceparent": given})
    assert "trace_id" not in json.loads(lines.lines[0])


SECRETS = [
    "olk_live_ab12cd34_0123456789abcdefghijklmnop",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "s3cret-pass",
]


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_secrets_never_stand_in_a_line(formatter: logging.Formatter) -> None:
    key, token, password = SECRETS
    trouble = (ValueError, ValueError(f"Authorization: Bearer {key}"), None)
    record = logging.LogRecord(
        "a", 20, "f", 1, "%s and %s", (f"postgresql://ada:{password}@db/x", token), trouble
    )
    record.header = f"sasl_password={password}"
    said = formatter.format(record)
    assert "postgresql://ada:***@db/x" in said
    assert not [secret for secret in SECRETS if secret in said]


def test_what_is_logged_looks_like_one_line() -> None:
    forged = "/x\n2026-01-01 INFO olearn: all is well\r\x1b[2K\u2028"
    said = TextFormatter().format(logging.LogRecord("a", 20, "f", 1, "GET %s", (forged,), None))
    assert said.isprintable()
    assert said.endswith(r"/x\n2026-01-01 INFO olearn: all is well\r\x1b[2K\u2028")


def test_what_is_no_secret_stays() -> None:
    for text in (
        "at http://127.0.0.1:8000/x",
        "the secret key 3 was retired",
        "2 basics, 1 bearer",
    ):
        assert redacted(text) == text


def test_a_line_of_json_is_one_line() -> None:
    record = logging.LogRecord("a", 30, "f", 1, "two\nlines", (), None)
    said = JsonFormatter().format(record)
    assert "\n" not in said
    assert json.loads(said)["msg"] == "two\nlines"


class TestHealth:
    async def test_verbose_readiness_says_what_it_stands_on(self, api: Api) -> None:
        answer = await api.get("/readyz?verbose")
        assert answer.status_code == 200
        checks = answer.json()["checks"]
        assert set(checks) == {"service", "database", "source", "models"}
        assert {check["status"] for check in checks.values()} == {"ok"}
        assert "success_prediction" in checks["models"]["detail"]
        assert "checks" not in (await api.get("/readyz")).json()

    @pytest.mark.parametrize(("goes_on", "status"), [(False, 503), (True, 200)])
    async def test_without_the_database_a_node_is_not_ready_unless_told_otherwise(
        self, serving: Serving, goes_on: bool, status: int
    ) -> None:
        async with serving(api={"ready_without_database": goes_on}) as api:

            async def gone() -> None:
                raise OSError("the cable was pulled")

            api.service.view.poll = gone
            await eventually(lambda: api.service.polling.problems)
            answer = await api.get("/readyz?verbose")
            assert answer.status_code == status
            assert "the cable was pulled" in answer.json()["checks"]["database"]["detail"]
            assert (await api.get("/livez")).status_code == 200
            assert (await api.get("/healthz")).json() == {"status": "alive"}
