"""Pages of agents: sorted by a value, continued behind a cursor."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

import msgspec

from olearn_core.errors import NotFoundError
from olearn_core.schemas import AgentsQuery, AgentSummary

Value = float | str | None

VALUE_OF: Mapping[str, Callable[[AgentSummary], Value]] = {
    "name": lambda one: one.agent_name,
    "executions": lambda one: one.executions,
    "success": lambda one: one.success.mean if one.success else None,
    "quality": lambda one: one.quality.mean if one.quality else None,
    "latency": lambda one: one.latency.mean_ms if one.latency else None,
    "cost": lambda one: one.cost.mean_usd if one.cost else None,
    "share_lately": lambda one: one.share_lately,
    "last_seen": lambda one: one.last_seen,
}
TEXTS = ("name", "last_seen")
ASCENDING = ("name", "latency", "cost")  # where little is good news, it comes first


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last agent of a page: what it was sorted by, how, and where it stood."""

    sort: str
    falling: bool
    value: float | str | None
    name: str

    def encoded(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


def page_of(
    found: Sequence[AgentSummary], asked: AgentsQuery
) -> tuple[list[AgentSummary], str | None]:
    """
    Return one page, and the cursor of the next where there is one.

    :raises HTTPException: 422 for a cursor that is not of the same list
    """
    value_of = VALUE_OF[asked.sort]
    falling = (asked.order or ("asc" if asked.sort in ASCENDING else "desc")) == "desc"
    placed = [(value_of(one), one) for one in found]
    with_value = [((value, one.agent_name), one) for value, one in placed if value is not None]
    with_value.sort(key=lambda pair: pair[0], reverse=falling)
    without = sorted((one for value, one in placed if value is None), key=_name)
    if asked.cursor is not None:
        last = _read(asked.cursor, asked.sort, falling=falling)
        if last.value is None:
            with_value, without = [], [one for one in without if one.agent_name > last.name]
        else:
            key = (last.value, last.name)
            with_value = [pair for pair in with_value if _is_behind(pair[0], key, falling)]
    rest = [*(one for _, one in with_value), *without]
    page = rest[: asked.limit]
    if len(rest) == len(page):
        return page, None
    return page, _Cursor(asked.sort, falling, value_of(page[-1]), page[-1].agent_name).encoded()


def _name(one: AgentSummary) -> str:
    return one.agent_name


def _is_behind(key: tuple[Value, str], last: tuple[Value, str], falling: bool) -> bool:
    return key < last if falling else key > last


def _read(cursor: str, sort: str, *, falling: bool) -> _Cursor:
    try:
        last = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise NotFoundError(
            "there is no such page: the cursor is not one of ours, begin without it"
        ) from error
    is_fitting = last.value is None or isinstance(last.value, str) == (sort in TEXTS)
    if (last.sort, last.falling) != (sort, falling) or not is_fitting:
        raise NotFoundError(
            "there is no such page: the cursor is of a list in another order, begin without it"
        )
    return last
