"""Requests that ask every route of a service without teaching it anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from olearn_core.api.operation import Operation
from olearn_core.api.operations import OPERATIONS, ROOT

HEALTH = ("/livez", "/readyz")

ELIGIBLE = {"eligible_agents": ["doctor-a", "doctor-b"]}
BODIES: dict[str, object] = {
    f"{ROOT}/decisions": ELIGIBLE,
    f"{ROOT}/predict/agent-selection": {},
    f"{ROOT}/predict/{{model_type}}": {"agents": ELIGIBLE["eligible_agents"]},
}
# A list is the body of no route: it is checked and refused, so nothing comes of it.
REFUSED_BODY: list[object] = []
REFUSALS = frozenset({400, 422})
NO_AGENTS_YET = frozenset({200, 404})
EXAMPLES = {"model_type": "success_prediction"}


@dataclass(frozen=True, slots=True)
class Probe:
    """
    A request and what may be answered.

    :param expected: statuses of a service that works
    """

    method: str
    path: str
    content: bytes | None
    expected: frozenset[int]


def probes() -> Iterator[Probe]:
    """Return one probe for each route."""
    for path in HEALTH:
        yield Probe("GET", path, None, frozenset({200}))
    for operation in OPERATIONS:
        yield _probe(operation)


def _probe(operation: Operation) -> Probe:
    path, unknown = _filled(operation.path)
    if operation.takes is None:
        expected = frozenset({operation.status, *({404} if unknown else ())})
        return Probe(operation.method, path, None, expected)
    if operation.path not in BODIES:
        return Probe(operation.method, path, msgspec.json.encode(REFUSED_BODY), REFUSALS)
    expected = frozenset({operation.status})
    if operation.path.endswith("/agent-selection"):
        expected = NO_AGENTS_YET  # it chooses among agents seen lately, of which there may be none
    return Probe(operation.method, path, msgspec.json.encode(BODIES[operation.path]), expected)


def _filled(path: str) -> tuple[str, bool]:
    """Return the path with its parameters filled in, and whether one names nothing."""
    names = re.findall(r"{(\w+)}", path)
    for name in names:
        path = path.replace(f"{{{name}}}", EXAMPLES.get(name, "doctor"))
    return path, any(name not in EXAMPLES for name in names)
