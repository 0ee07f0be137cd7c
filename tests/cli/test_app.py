from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

import olearn_core
from olearn_core.cli.app import Commands, app
from olearn_core.cli.options import DEFAULT_URL
from olearn_core.client import DEFAULT_URL as DEFAULT_URL_OF_CLIENT
from olearn_core.errors import ConfigError, SourceError
from tests.cli.serving import environment, olearn

COMMANDS = (
    "serve",
    "demo",
    "replay",
    "evaluate",
    "models",
    "agents",
    "keys",
    "db",
    "plugins",
    "config",
    "doctor",
)


def test_help_names_every_command(call):
    result = call("--help")
    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(call, command):
    assert call(command, "--help").exit_code == 0


def helps(command):
    yield command.help or ""
    yield from (getattr(parameter, "help", None) or "" for parameter in command.params)
    for inner in getattr(command, "commands", {}).values():
        yield from helps(inner)


def test_no_help_loses_what_stands_in_brackets():
    """Rich takes `[name]` for markup and leaves it out."""
    said = list(helps(typer.main.get_command(app)))
    assert len(said) > 50
    assert [text for text in said if Text.from_markup(text).plain != text] == []


def test_without_arguments_it_shows_help(call):
    assert "Usage" in call().output


def test_a_command_that_is_not_there_is_a_usage_mistake(call):
    assert call("leran").exit_code == 2


def test_version(call):
    assert call("--version").stdout == f"olearn {olearn_core.__version__}\n"


def test_the_module_is_the_command():
    said = subprocess.run(
        olearn("--version"), env=environment(), capture_output=True, text=True, check=True
    )
    assert said.stdout == f"olearn {olearn_core.__version__}\n"


def test_help_loads_no_broker_database_server_or_terminal_application():
    heavy = "aiokafka sqlalchemy starlette uvicorn httpx2 textual alembic pydantic_settings"
    code = (
        "import sys, olearn_core.cli.app;"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def failing(error):
    application = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @application.command()
    def fail() -> None:
        raise error

    @application.callback()
    def nothing() -> None:
        pass

    return CliRunner().invoke(application, ["fail"])


def test_an_error_of_ours_gets_one_line_and_exit_code_1():
    result = failing(ConfigError("two things are wrong:\n  one\n  another"))
    assert result.exit_code == 1
    assert result.stderr == "olearn: two things are wrong: one; another\n"
    assert result.stdout == ""


def test_an_error_of_ours_inside_task_groups_gets_one_line_as_well():
    inner = ExceptionGroup("tasks", [SourceError("no broker")])
    result = failing(ExceptionGroup("tasks", [inner]))
    assert (result.exit_code, result.stderr) == (1, "olearn: no broker\n")


@pytest.mark.parametrize("bug", [KeyError("x"), ExceptionGroup("tasks", [KeyError("x")])])
def test_a_bug_is_not_hidden(bug):
    assert failing(bug).exception is bug


def test_command_line_and_client_agree_on_the_default_url():
    assert DEFAULT_URL == DEFAULT_URL_OF_CLIENT
