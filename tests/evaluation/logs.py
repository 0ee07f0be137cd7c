"""Logs of a service, made by hand: decisions drawn from known laws, outcomes that come later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from olearn_core.models import Utility
from olearn_core.storage.decision_log import LoggedDecision
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.tokens import Decided, SigningKey, eligible_hash, sign

START = 1_780_000_000.0
KEY = SigningKey(1, b"of logs made by hand")
KEYS = {1: KEY}
UTILITY = Utility({"success": 0.6, "latency": 0.4}, 1_000.0, 0.01)
AGENTS = ("ada", "bob", "cyd")
RATES = {
    "code": {"ada": 0.9, "bob": 0.5, "cyd": 0.2},
    "text": {"ada": 0.3, "bob": 0.8, "cyd": 0.4},
}


def decision(number: int, agent: str = "ada", **fields: Any) -> LoggedDecision:
    law = fields.pop("law", (0.5, 0.3, 0.2))
    agents = fields.pop("agents", AGENTS)
    known: dict[str, Any] = {
        "nonce": f"{number:024x}",
        "tenant": "default",
        "task_type": "code",
        "context": {},
        "agents": agents,
        "law": law,
        "scores": [0.5] * len(agents),
        "agent": agent,
        "propensity": law[agents.index(agent)] if agent in agents else 0.1,
        "utility": UTILITY,
        "policy": "agent_selection",
        "mode": "online",
        "view_version": 0,
        "issued_at": datetime.fromtimestamp(START + number, UTC),
    }
    return LoggedDecision(**(known | fields))


def token(logged: LoggedDecision, key: SigningKey = KEY) -> str:
    decided = Decided(
        bytes.fromhex(logged.nonce),
        logged.propensity,
        logged.view_version,
        int(logged.issued_at.timestamp()),
        eligible_hash(list(logged.agents)),
        logged.tenant,
        logged.task_type,
        logged.agent,
    )
    return sign(key, decided)


def outcome(logged: LoggedDecision, offset: int, after: float = 0.5, **fields: Any) -> LoggedRecord:
    """Return what became of a decision, as the log has it so many seconds later."""
    event = {
        "agent_name": logged.agent,
        "task_type": logged.task_type,
        "tenant_id": logged.tenant,
        "decision_id": token(logged),
        "status": "success",
    } | fields
    said = {name: value for name, value in event.items() if value is not None}
    at = logged.issued_at.timestamp() + after
    return LoggedRecord(offset, json.dumps(said).encode(), int(at * 1_000))


@dataclass
class Drawn:
    """A log drawn from a law that is the same for all decisions."""

    decisions: list[LoggedDecision] = field(default_factory=list)
    records: list[LoggedRecord] = field(default_factory=list)


def drawn(seed: int, size: int, law: Sequence[float] = (0.5, 0.3, 0.2)) -> Drawn:
    rng, log = np.random.default_rng(seed), Drawn()
    for number in range(size):
        task = ("code", "text")[int(rng.integers(2))]
        agent = str(rng.choice(AGENTS, p=law))
        logged = decision(number, agent, law=tuple(law), task_type=task)
        status = "success" if rng.random() < RATES[task][agent] else "failure"
        log.decisions.append(logged)
        log.records.append(outcome(logged, number, status=status, latency_ms=500.0))
    return log
