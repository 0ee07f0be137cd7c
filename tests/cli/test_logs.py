"""The log says what happens once, not each time a library tries again."""

from __future__ import annotations

import logging

import pytest

from olearn_core.cli.logs import Seldom


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def handler(heard: list[str]) -> logging.Handler:
    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Ear()
    ear.addFilter(Seldom("aiokafka"))
    return ear


def say(handler: logging.Handler, name: str, message: str, *arguments: object) -> None:
    handler.handle(logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None))


def test_what_a_library_repeats_is_heard_twice_a_minute(
    handler: logging.Handler, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("olearn_core.cli.logs.time.monotonic", lambda: now[0])
    for second in range(60):
        now[0] = 100.0 + second
        say(handler, "aiokafka.client", "no connection to %s", second)
        say(handler, "aiokafka", "something else")
    assert heard == [
        "no connection to 0",
        "something else",
        "no connection to 30",
        "something else",
    ]


def test_what_we_say_ourselves_is_always_heard(handler: logging.Handler, heard: list[str]) -> None:
    for _ in range(3):
        say(handler, "olearn_core.service", "again")
    assert heard == ["again"] * 3
