"""`olearn doctor`: is a running service well?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from olearn_core.cli.options import DEFAULT_URL, AsJson, Url
from olearn_core.cli.output import number, print_json, print_table

if TYPE_CHECKING:
    from olearn_core.cli.probes import Probe
    from olearn_core.client import OlearnClient, Reply

STATUS_PATH = "/api/learning/status"
BRIEF = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one route has answered.

    :param asked: whether the node answers such requests, and to this credential
    :param says: the answer in brief
    """

    route: str
    status: int
    ok: bool
    asked: bool
    milliseconds: float
    says: str


def doctor(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """
    Call every route of a running service.

    Nothing is learned or decided by it, and a version of each model is saved.
    """
    findings, problems = asyncio.run(_examine(url))
    failed = sum(not finding.ok for finding in findings)
    if as_json:
        print_json(_as_json(url, findings, problems))
    else:
        _print(url, findings, problems, failed)
    if failed:
        raise typer.Exit(1)


async def _examine(url: str) -> tuple[list[Finding], list[str]]:
    from olearn_core.cli.probes import probes
    from olearn_core.client import OlearnClient

    async with OlearnClient(url) as client:
        findings = [await _finding(client, probe) for probe in probes()]
        return findings, await _problems(client)


async def _finding(client: OlearnClient, probe: Probe) -> Finding:
    reply = await client.request(probe.method, probe.path, probe.content)
    asked = reply.status not in probe.not_asked
    ok = not asked or reply.status in probe.expected
    route = f"{probe.method} {probe.path}"
    milliseconds = round(1e3 * reply.seconds, 1)
    return Finding(route, reply.status, ok, asked, milliseconds, _says(reply))


async def _problems(client: OlearnClient) -> list[str]:
    reply = await client.request("GET", STATUS_PATH)
    if reply.status != 200:
        return [f"the service does not tell its status: {reply.detail}"]
    status = json.loads(reply.content)
    broken = [f"plugin {name}: {why}" for name, why in status["failed_plugins"].items()]
    return list(dict.fromkeys([*status["warnings"], *broken]))


def _says(reply: Reply) -> str:
    if reply.status >= 400:
        return _brief(reply.detail)
    try:
        answer = json.loads(reply.content)
    except ValueError:
        return _brief(reply.content.decode(errors="replace"))
    if isinstance(answer, list):
        return f"{len(answer)} rows"
    return _brief(", ".join(f"{key} {_value(value)}" for key, value in answer.items()))


def _value(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"({len(value)})"
    return "-" if value is None else str(value)


def _brief(text: str) -> str:
    return text if len(text) <= BRIEF else text[: BRIEF - 1] + "…"


def _as_json(url: str, findings: list[Finding], problems: list[str]) -> dict[str, Any]:
    names = Finding.__slots__
    routes = [{name: getattr(finding, name) for name in names} for finding in findings]
    failed = sum(not finding.ok for finding in findings)
    return {
        "url": url,
        "ok": not failed,
        "failed": failed,
        "problems": problems,
        "routes": routes,
    }


def _verdict(finding: Finding) -> str:
    if not finding.asked:
        return "not asked"
    return "ok" if finding.ok else "FAILED"


def _print(url: str, findings: list[Finding], problems: list[str], failed: int) -> None:
    rows = [
        (f.route, _verdict(f), str(f.status), f.says, number(f.milliseconds, "ms"))
        for f in findings
    ]
    print_table(("route", "verdict", "status", "answer", "time"), rows, left=4)
    for problem in problems:
        typer.echo(f"warning: {problem}")
    verdict = f"{failed} of {len(findings)} routes failed" if failed else "every route answers"
    if not_asked := sum(not finding.asked for finding in findings):
        verdict += f", {not_asked} not asked"
    typer.echo(f"{url}: {verdict}, {len(problems)} warnings")
