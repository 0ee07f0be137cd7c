"""`olearn dead-letters`: outcomes that could not be learned, and another try."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.ages import age
from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from olearn_core.client import OlearnClient
    from olearn_core.schemas import DeadLetterResponse, DeadLettersResponse, DeadLetterSummary

app = typer.Typer(help="Outcomes that could not be learned.", no_args_is_help=True)

COLUMNS = ("id", "partition", "offset", "refused", "retried", "reason", "bytes")
FIELDS = ("source", "topic", "partition", "offset", "reason", "pointer", "created_at", "retried_at")
PAGE = 500
SERVER_ERRORS = 500
HEAD_ONLY = "only the record's head is kept: retry its id with --file"


def _outcome(path: str) -> dict[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"is no JSON object: {error}") from error


Reason = Annotated[str | None, typer.Option(help="Only those with this in reason or field.")]
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.")]
Since = Annotated[
    timedelta | None,
    typer.Option(parser=age, metavar="AGE", help="Only those not older: 30m, 1h, 7d."),
]
Limit = Annotated[int, typer.Option(min=1, max=PAGE, help="Most to show.")]
Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="Which one.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="Which ones.")]
Every = Annotated[bool, typer.Option("--all", help="All that were not retried, oldest first.")]
Corrected = Annotated[
    dict[str, Any] | None,
    typer.Option(
        "--file", parser=_outcome, metavar="FILE", help="What it should have said, as JSON."
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Although it was retried before.")]


@dataclass(slots=True)
class Tried:
    """
    What became of retries.

    :ivar refused: id and reason
    """

    retried: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


@app.command("list")
def list_letters(
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first, and count them by reason."""
    started = None if since is None else (datetime.now(UTC) - since).isoformat()
    filters = {"reason": reason, "topic": topic, "since": started}
    given = {name: value for name, value in filters.items() if value is not None}
    found = asyncio.run(_page(url, limit, given))
    if as_json:
        print_json(found.model_dump())
    else:
        _print_page(found)


@app.command()
def show(letter_id: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one dead letter with what is kept of its record."""
    letter = asyncio.run(_letter(url, letter_id))
    if as_json:
        print_json(letter.model_dump())
    else:
        _print_letter(letter)


@app.command()
def retry(
    ids: Ids = None,
    every: Every = False,
    reason: Reason = None,
    corrected: Corrected = None,
    again: Again = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Have dead letters learned after all; the exit code is 1 where some are still bad."""
    if every == bool(ids):
        raise typer.BadParameter("name the letters by their ids, or take --all")
    if every and (corrected is not None or again):
        raise typer.BadParameter("--file and --again are for letters named by their ids")
    if reason is not None and not every:
        raise typer.BadParameter("--reason goes with --all")
    if corrected is not None and len(ids or ()) != 1:
        raise typer.BadParameter("--file corrects one letter")
    tried = Tried()
    try:
        asyncio.run(_retry(url, ids, reason, corrected, tried, again=again))
    finally:  # what was done is told, even where the service went away meanwhile
        _print_tried(tried, summed=every, as_json=as_json)
    if tried.refused:
        raise typer.Exit(1)


async def _page(url: str, limit: int, filters: dict[str, str]) -> DeadLettersResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.dead_letters(limit, **filters)


async def _letter(url: str, letter_id: int) -> DeadLetterResponse:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        return await client.dead_letter(letter_id)


async def _retry(
    url: str,
    ids: list[int] | None,
    reason: str | None,
    corrected: dict[str, Any] | None,
    tried: Tried,
    *,
    again: bool,
) -> None:
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        if not ids:
            ids = await _not_retried(client, reason, tried)
        for letter_id in ids:
            await _retry_one(client, letter_id, corrected, tried, again=again)


async def _not_retried(client: OlearnClient, reason: str | None, tried: Tried) -> list[int]:
    """Return the ids of letters to retry, oldest first; note those that cannot be."""
    filters: dict[str, str | int] = {"retried": "false"}
    if reason is not None:
        filters["reason"] = reason
    letters: list[DeadLetterSummary] = []
    while page := (await client.dead_letters(PAGE, **filters)).letters:
        letters += page
        filters["before"] = page[-1].id
    letters.reverse()
    tried.refused += [(letter.id, HEAD_ONLY) for letter in letters if not letter.whole]
    return [letter.id for letter in letters if letter.whole]


async def _retry_one(
    client: OlearnClient,
    letter_id: int,
    corrected: dict[str, Any] | None,
    tried: Tried,
    *,
    again: bool,
) -> None:
    from olearn_core.client import RefusedError

    try:
        done = await client.retry_dead_letter(letter_id, corrected, again=again)
    except RefusedError as error:
        if error.status >= SERVER_ERRORS:
            raise
        tried.refused.append((letter_id, error.detail))
    else:
        tried.retried.append(done.model_dump())


def _print_page(found: DeadLettersResponse) -> None:
    print_table(COLUMNS, map(_cells, found.letters), left=6)
    counts = [(_printable(reason), count) for reason, count in found.by_reason.items()]
    print_table(("reason", "letters"), counts)
    typer.echo(f"{found.total:,} dead letters, {found.not_retried:,} of them not retried")


def _cells(letter: DeadLetterSummary) -> tuple[object, ...]:
    return (
        str(letter.id),
        f"{letter.topic}/{letter.partition}",
        str(letter.offset),
        when(letter.created_at),
        when(letter.retried_at),
        _printable(f"{letter.pointer}: {letter.reason}" if letter.pointer else letter.reason),
        letter.payload_bytes,
    )


def _print_letter(letter: DeadLetterResponse) -> None:
    values = [(name, getattr(letter, name)) for name in FIELDS]
    rows = [(name, None if value is None else _printable(str(value))) for name, value in values]
    print_table(("field", "value"), rows, left=2)
    kept = "" if letter.whole else ", of which the head is kept"
    binary = ", not all of it text" if letter.lossy else ""
    typer.echo(f"the record of {letter.payload_bytes:,} bytes{kept}{binary}:")
    typer.echo(_printable(letter.payload_text))


def _print_tried(tried: Tried, *, summed: bool, as_json: bool) -> None:
    if as_json:
        refused = [{"id": letter_id, "reason": reason} for letter_id, reason in tried.refused]
        print_json({"retried": tried.retried, "refused": refused})
    elif summed:
        reasons = Counter(_printable(reason) for _, reason in tried.refused)
        rows = [("retried", len(tried.retried)), *reasons.most_common()]
        print_table(("what happened", "letters"), rows)
    else:
        done = [(str(r["id"]), f"retried, now at offset {r['offset']}") for r in tried.retried]
        refused_rows = [(str(i), _printable(reason)) for i, reason in tried.refused]
        print_table(("id", "what happened"), [*done, *refused_rows], left=2)


def _printable(text: str) -> str:
    """Return a stranger's text without what would steer the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text
    )
