"""What deserves attention, and what did until lately."""

from __future__ import annotations

from typing import Literal

from olearn_core.schemas.bodies import Answer

Severity = Literal["info", "warning", "critical"]
AlertState = Literal["firing", "resolved"]


class AlertBody(Answer):
    """
    One thing that deserves attention, or did.

    `id` stays the same from firing to resolved. `dedup_key` is the same on all nodes that see
    it, and each time it comes back. `subject` is what it is about: agent,
    task type and component, a partition, a model; `tenant` is `null` where it is the
    node's. `message` says what happened and what to do. `node` is who saw it.
    """

    id: str
    dedup_key: str
    kind: str
    severity: Severity
    state: AlertState
    tenant: str | None
    subject: list[str]
    message: str
    since: str
    resolved_at: str | None = None
    node: str


class AlertsResponse(Answer):
    """Alerts that are firing, the worst first, and those resolved lately, newest first."""

    firing: list[AlertBody]
    recent: list[AlertBody]
    as_of: str | None
