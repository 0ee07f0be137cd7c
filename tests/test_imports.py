"""What an author imports stays light."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("starlette", "sqlalchemy", "aiokafka", "uvicorn", "textual", "typer", "httpx2")


def test_importing_olearn_core_pulls_in_no_broker_database_server_or_terminal() -> None:
    code = f"import sys, olearn_core; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_older_call_is_reached_lazily_and_other_names_are_not_there() -> None:
    code = (
        "import olearn_core, sys;"
        "assert 'olearn_core.updater' not in sys.modules;"
        "from olearn_core import ModelType, get_model_updater;"
        "assert 'olearn_core.updater' in sys.modules;"
        "assert not hasattr(olearn_core, 'nonsense')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
