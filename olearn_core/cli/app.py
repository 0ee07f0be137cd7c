"""The command `olearn`."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import olearn_core
from olearn_core.cli import (
    agents,
    config,
    db,
    demo,
    doctor,
    models,
    plugins,
    replay,
    serve,
)
from olearn_core.cli.output import one_line
from olearn_core.errors import OlearnError


class Commands(TyperGroup):
    """Commands whose mistakes get one clear line and a non-zero exit."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; say what is wrong where it raises one of our errors."""
        try:
            return super().invoke(ctx)
        except OlearnError as error:
            _fail(error)
        except BaseExceptionGroup as group:
            known = group.subgroup(OlearnError)
            if known is None:
                raise
            _fail(_first(known))


def _fail(error: BaseException) -> NoReturn:
    typer.echo(f"olearn: {one_line(str(error))}", err=True)
    raise typer.Exit(1)


def _first(group: BaseExceptionGroup[OlearnError]) -> BaseException:
    """Return the first error inside a task group's."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


app = typer.Typer(
    cls=Commands,
    help="olearn learns from every execution which agent to send the next task to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for command in (serve.serve, demo.demo, replay.replay):
    app.command()(command)
for name, group in (
    ("models", models.app),
    ("agents", agents.app),
    ("db", db.app),
    ("config", config.app),
):
    app.add_typer(group, name=name)
for command in (plugins.plugins, doctor.doctor):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"olearn {olearn_core.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    app(prog_name="olearn")
