"""What all bodies have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from olearn_core.errors import EventError
from olearn_core.events import checked_name


def _clean(name: str) -> str:
    """Return a name as the learner would, or refuse it for the same reasons."""
    try:
        return checked_name(name, "")
    except EventError as error:
        raise ValueError(error.reason) from None


def _whole(number: object) -> object:
    """JSON has one kind of numbers: 2.0 is an integer, too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _moment(text: object) -> object:
    """Return a time that is written as RFC 3339 says; a number of seconds is none."""
    try:
        return msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


# No control characters; checked by `_clean`, written here for those who read the schema.
NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]+$"
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    AfterValidator(_clean),
    Field(json_schema_extra={"pattern": NAME_PATTERN}),
]
WHOLE = BeforeValidator(_whole)  # stands after what limits the number
Number = Annotated[int, Field(ge=1, le=2**63 - 1), WHOLE]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Reason = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00]*$")]


class Body(BaseModel):
    """A request's body; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """A response's body."""

    model_config = ConfigDict(frozen=True)
