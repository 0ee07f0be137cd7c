"""`olearn dashboard`: watch a service in the terminal."""

from __future__ import annotations

import importlib
import os
from typing import Annotated

import typer

DashboardUrl = Annotated[
    str | None,
    typer.Option("--url", help="Address of the service; else the profile's, else $OLEARN_URL."),
]
Key = Annotated[
    str | None,
    typer.Option("--key", help="API key or token; better in OLEARN_API_KEY or a profile."),
]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Of ~/.config/olearn/dashboard.toml."),
]
AllowWrites = Annotated[
    bool, typer.Option("--allow-writes", help="Let it save, roll back and retry; else it reads.")
]


def dashboard(
    url: DashboardUrl = None,
    key: Key = None,
    profile: ProfileName = None,
    allow_writes: AllowWrites = False,
) -> None:
    """Watch a service live: agents, decisions, models, the stream, workers. Needs a terminal."""
    # Textual reads this when it is imported. Its own 100 ms before an `esc` counts are felt.
    os.environ.setdefault("ESCDELAY", "25")
    # The core may not import its dashboard, which is a client like any other.
    shown = importlib.import_module("olearn_tui.command")
    code: int = shown.dashboard(url=url, key=key, profile=profile, allow_writes=allow_writes)
    if code:
        raise typer.Exit(code)
