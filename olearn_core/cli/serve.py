"""`olearn serve`: learn and answer until told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.logs import log_to_stderr
from olearn_core.cli.options import ConfigFile

if TYPE_CHECKING:
    from olearn_core.auth.authenticator import Authenticator
    from olearn_core.config import Settings
    from olearn_core.service import Service

Host = Annotated[str | None, typer.Option(help="Address to listen on, instead of api.host.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Port to listen on, instead of api.port; 0 for any."),
]


class RoleName(StrEnum):
    """What a node does."""

    ALL = "all"
    LEARNER = "learner"
    API = "api"


Role = Annotated[
    RoleName | None,
    typer.Option(help="Learn, answer, or both; instead of service.role."),
]


def serve(
    config: ConfigFile = None, host: Host = None, port: Port = None, role: Role = None
) -> None:
    """Learn from outcomes and answer which agent to send, until stopped by Ctrl-C."""
    from olearn_core.config import load_settings

    sections: dict[str, dict[str, Any]] = {
        "api": {"host": host, "port": port},
        "service": {"role": role and role.value},
    }
    settings = load_settings(config, **_given(sections))
    log_to_stderr(settings.logging.level, settings.logging.format)
    asyncio.run(_serve(settings))


def _given(sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leave out what nobody has said."""
    said = {
        name: {key: value for key, value in section.items() if value is not None}
        for name, section in sections.items()
    }
    return {name: section for name, section in said.items() if section}


async def _serve(settings: Settings) -> None:
    from olearn_core.api.server import serve as serve_api
    from olearn_core.cli.checks import check_all

    for warning in await check_all(settings):
        logging.getLogger(__name__).warning(warning)
    await serve_api(settings, on_ready=_announce)


def _announce(url: str, service: Service) -> None:
    for name, value in description(url, service):
        typer.echo(f"{name:<9} {value}")
    sys.stdout.flush()


def description(url: str, service: Service) -> list[tuple[str, Any]]:
    """Return what a service is and stands on, in words."""
    kafka = service.settings.kafka
    source = "embedded log, fed by POST /api/learning/outcomes"
    if kafka.in_use:
        source = (
            f"Kafka topic {kafka.outcome_topic} at {kafka.bootstrap_servers}, group {kafka.group}"
        )
    return [
        ("olearn", url),
        ("docs", f"{url}/docs"),
        ("source", source),
        ("database", service.database.url),
        ("models", service.settings.versions.storage_path),
        ("policy", service.models.policy.name),
        ("role", service.settings.service.role),
        ("keys", _keys(service.authenticator)),
    ]


def _keys(authenticator: Authenticator) -> str:
    """Say where the first API key is, never which."""
    if not authenticator.is_on:
        return "none asked for: authentication is switched off"
    if authenticator.key_file is not None:
        return f"an operator's API key is in {authenticator.key_file.absolute()}"
    return "as `olearn keys list` shows them"
