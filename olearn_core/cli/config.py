"""`olearn config`: what is configured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import one_line, print_json, print_table
from olearn_core.errors import ConfigError

if TYPE_CHECKING:
    from olearn_core.config import Settings

app = typer.Typer(help="What is configured.", no_args_is_help=True)


@app.command()
def show(
    config: ConfigFile = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="One line a key, with where its value comes from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in force: file, environment and defaults together, secrets hidden."""
    from olearn_core.config import load_settings, masked

    if origin:
        _show_origins(load_settings(config), as_json)
        return
    settings = masked(load_settings(config))
    if as_json:
        print_json(settings)
    else:
        typer.echo("\n".join(_toml(settings)).strip())


@app.command()
def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check every key, and the options of the models."""
    from olearn_core.config import load_settings
    from olearn_core.plugins import Plugins

    try:
        settings = load_settings(config)
        plugins = Plugins.found(settings.plugins.disabled)
        plugins.models(settings.decisions.policy, settings.models)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"valid": False, "problem": one_line(str(error))})
        raise typer.Exit(1) from None
    if as_json:
        print_json({"valid": True, "problem": None})
    else:
        typer.echo("the configuration is valid")


def _show_origins(settings: Settings, as_json: bool) -> None:
    from olearn_core.origins import configuration

    shown = configuration(settings)
    if as_json:
        print_json(shown.model_dump())
        return
    rows = [(s.key, json.dumps(s.value), s.variable or s.origin) for s in shown.settings]
    print_table(("key", "value", "origin"), rows, left=3)


def _toml(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if name and plain:
        yield f"\n[{name}]"
    for key, value in plain.items():
        # TOML has no null: the key is shown, not set.
        yield f"# {key} is not set" if value is None else f"{key} = {json.dumps(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml(value, f"{name}.{key}" if name else key)
