"""The log of decisions: what was asked, what was drawn, and from which law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from olearn_core.events import Scalar
from olearn_core.models import Utility
from olearn_core.storage.database import Database
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.storage.tables import decision_log

ONLINE = "online"
LOGGING = "logging_only"
FORMAT = 2
APPEND_LOCK = 7_305_804_403
PAGE = 5_000
MOST_CONTEXT_VALUES = 32
KEY_LENGTH = 128
VALUE_LENGTH = 256
LARGEST_NUMBER = 2.0**53


class LoggedDecision(msgspec.Struct, frozen=True, gc=False):
    """
    One decision, as it is kept and sent.

    :param nonce: of its decision_id, in hexadecimal; what outcomes are joined by
    :param agents: those that were eligible; `law` and `scores` are in their order
    :param law: the probabilities that were drawn from, exploration floor included; zeros where
        the propensity is not known
    :param scores: expected utility of each agent
    :param agent: the drawn one
    :param propensity: its probability, None where nobody knows it: its caller has not said it
    :param utility: the weights, and the scales at which latency and cost count fully
    :param mode: who has chosen
    :param format: 1 before outcomes were joined when they were learned
    """

    nonce: str
    tenant: str
    task_type: str
    context: dict[str, str | int | float | bool]
    agents: Sequence[str]
    law: Sequence[float]
    scores: Sequence[float]
    agent: str
    propensity: float | None
    utility: Utility
    policy: str
    mode: str
    view_version: int
    issued_at: datetime
    format: int = 1


_decoder = msgspec.json.Decoder(LoggedDecision)


def encode_decision(decision: LoggedDecision) -> bytes:
    """Return the decision as JSON."""
    return msgspec.json.encode(decision)


def decode_decision(value: bytes) -> LoggedDecision:
    """
    Read what `encode_decision` has written.

    :raises msgspec.DecodeError: where it is something else
    """
    return _decoder.decode(value)


def loggable(context: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the flat values of a context, at most 32 and none of them long."""
    flat: dict[str, Scalar] = {}
    for key, value in context.items():
        if len(flat) == MOST_CONTEXT_VALUES:
            break
        if _is_text(key, KEY_LENGTH) and (_is_text(value, VALUE_LENGTH) or _is_number(value)):
            flat[key] = value
    return flat


def _is_text(value: Any, longest: int) -> bool:
    if not isinstance(value, str) or len(value) > longest:
        return False
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _is_number(value: Any) -> bool:
    return type(value) in (bool, int, float) and abs(value) <= LARGEST_NUMBER


class DecisionLog:
    """
    The log where outcomes are kept in the database as well: a table beside theirs.

    Offsets ascend and are never used twice.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, batch: Sequence[LoggedDecision]) -> None:
        """Store decisions in one transaction; one that is there already stays as it is."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        rows = [
            {
                "nonce": decision.nonce,
                "issued_at": decision.issued_at.timestamp(),
                "record": encode_decision(decision),
            }
            for decision in batch
        ]
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                # Offsets must become visible in their order, or a reader would pass one by.
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"))
            await connection.execute(dialect.insert(decision_log).on_conflict_do_nothing(), rows)

    async def read(self, start: int, most: int) -> list[LoggedRecord]:
        """Return up to `most` records from this offset on."""
        query = (
            select(decision_log.c.offset, decision_log.c.record, decision_log.c.issued_at)
            .where(decision_log.c.offset >= start)
            .order_by(decision_log.c.offset)
            .limit(most)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [LoggedRecord(offset, bytes(value), int(at * 1e3)) for offset, value, at in rows]

    async def bounds(self) -> tuple[int, int]:
        """Return the first offset and the one after the last; (1, 1) where it is empty."""
        query = select(func.min(decision_log.c.offset), func.max(decision_log.c.offset))
        async with self._database.read() as connection:
            first, last = (await connection.execute(query)).one()
        return (1, 1) if first is None else (int(first), int(last) + 1)

    async def get(self, nonce: str) -> LoggedDecision | None:
        """Return one decision, None where there is none of this nonce (any more)."""
        query = select(decision_log.c.record).where(decision_log.c.nonce == nonce)
        async with self._database.read() as connection:
            record = (await connection.execute(query)).scalar()
        return None if record is None else decode_decision(bytes(record))

    async def since(self, unix_seconds: float) -> list[LoggedDecision]:
        """Return the decisions issued from then on, oldest first."""
        query = (
            select(decision_log.c.record)
            .where(decision_log.c.issued_at >= unix_seconds)
            .order_by(decision_log.c.issued_at, decision_log.c.nonce)
        )
        async with self._database.read() as connection:
            rows = await connection.stream(query.execution_options(yield_per=PAGE))
            return [decode_decision(bytes(row.record)) async for row in rows]
