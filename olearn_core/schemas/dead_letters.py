"""Dead letters and their retries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from olearn_core.schemas.bodies import WHOLE, Answer, Body, Moment, Number

SearchText = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00]*$")]
LetterId = Number


class DeadLettersQuery(Body):
    """
    Ask for dead letters, newest first.

    `reason` may stand anywhere in a letter's reason or pointer; `before` is an id.
    """

    reason: SearchText | None = Field(default=None, description="A part of the reason.")
    topic: SearchText | None = Field(default=None, description="The topic of the record.")
    since: Moment | None = Field(default=None, description="Refused since then, as RFC 3339.")
    retried: bool | None = Field(
        default=None, description="Only those that were retried, or only those that were not."
    )
    before: LetterId | None = Field(
        default=None, description="Only those with a smaller id: the last one of the page before."
    )
    limit: Annotated[int, Field(ge=1, le=500), WHOLE] = Field(
        default=50, description="Letters of a page."
    )


class RetryRequest(Body):
    """
    Have a dead letter learned after all.

    `outcome` replaces what lay in the log; `again` lets one be retried that was already.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"outcome": {"event_id": "run-4711", "agent_name": "atlas", "status": "success"}}
            ]
        }
    )

    outcome: dict[str, Any] | None = Field(
        default=None, description="What it should have said; without it the record as it was."
    )
    again: bool = Field(default=False, description="Retry it even if that was done before.")


class DeadLetterSummary(Answer):
    """
    A record that could not be learned, and why.

    `whole` is false where only the record's head is kept; `tenant` is null where it cannot
    be told whose the record is, which operators alone see.
    """

    id: int
    source: str
    topic: str
    partition: int
    offset: int
    tenant: str | None
    reason: str
    pointer: str
    payload_bytes: int
    payload_sha256: str
    whole: bool
    created_at: str
    retried_at: str | None


class DeadLettersResponse(Answer):
    """
    A page of dead letters, and how many there are.

    The counts are of all that match, whatever the page; `by_reason` has the most frequent.
    """

    letters: list[DeadLetterSummary]
    total: int
    not_retried: int
    by_reason: dict[str, int]


class DeadLetterResponse(DeadLetterSummary):
    """
    One dead letter with what is kept of the record, as text and as it was.

    `lossy` is true where it is not UTF-8, so that the text is not all there is.
    """

    payload_text: str
    lossy: bool
    payload_base64: str


class RetryResponse(Answer):
    """The log has the outcome of a dead letter."""

    status: Literal["retried"] = "retried"
    id: int
    event_id: str
    offset: int
    retried_at: str
