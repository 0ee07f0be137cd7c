"""Requests that ask every route of a service without teaching it or deciding anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from olearn_core.api.operation import EVENT_STREAM, Operation
from olearn_core.api.operations import OPERATIONS, ROOT

ELIGIBLE: dict[str, object] = {"eligible_agents": ["doctor-a", "doctor-b"]}
PREVIEW = ELIGIBLE | {"preview": True}
BODIES: dict[str, object] = {
    f"{ROOT}/decisions": PREVIEW,
    f"{ROOT}/decisions/batch": [PREVIEW],
    f"{ROOT}/predict/{{model_type}}": {"agents": ELIGIBLE["eligible_agents"]},
}
# An empty list is the body of no route: it is checked and refused, so nothing comes of it.
REFUSED_BODY: list[object] = []
REFUSALS = frozenset({400, 422})
OPERATORS_ONLY, ONLY_LEARNS = 403, 421
EXAMPLES = {"model_type": "success_prediction"}


@dataclass(frozen=True, slots=True)
class Probe:
    """
    A request and what may be answered.

    :param expected: statuses of a service that works
    :param not_asked: those of one that works but does not answer this, or not to this credential
    """

    method: str
    path: str
    content: bytes | None
    expected: frozenset[int]
    not_asked: frozenset[int] = frozenset()


def probes() -> Iterator[Probe]:
    """Return one probe for each route."""
    for operation in OPERATIONS:
        yield _probe(operation)


def _probe(operation: Operation) -> Probe:
    path, unknown = _filled(operation.path)
    not_asked = frozenset(_not_asked(operation))
    if operation.media_type == EVENT_STREAM:
        return Probe("HEAD", path, None, frozenset({200}), not_asked)  # its body has no end
    if operation.takes is None:
        expected = frozenset({operation.status, *({404} if unknown else ())})
        return Probe(operation.method, path, None, expected, not_asked)
    if operation.path not in BODIES:
        refusals = REFUSALS | ({404} if unknown else set())
        body = msgspec.json.encode(REFUSED_BODY)
        return Probe(operation.method, path, body, refusals, not_asked)
    body = msgspec.json.encode(BODIES[operation.path])
    return Probe(operation.method, path, body, frozenset({operation.status}), not_asked)


def _not_asked(operation: Operation) -> Iterator[int]:
    if operation.operator:
        yield OPERATORS_ONLY
    if operation.method != "GET":
        yield ONLY_LEARNS


def _filled(path: str) -> tuple[str, bool]:
    """Return the path with its parameters filled in, and whether one names nothing."""
    names = re.findall(r"{(\w+)}", path)
    for name in names:
        path = path.replace(f"{{{name}}}", EXAMPLES.get(name, "doctor"))
    return path, any(name not in EXAMPLES for name in names)
