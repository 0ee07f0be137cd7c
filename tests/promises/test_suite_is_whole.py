"""No test is skipped in silence, and the suite that talks to a broker really runs."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.promise("P20")

ROOT = Path(__file__).parents[2]
KAFKA_TESTS = 35
POSTGRES_TESTS = 150
PASSES = "def test_passes():\n    assert True\n"
UNPROVEN = {
    "skip": "import pytest\n@pytest.mark.skip\ndef test_it():\n    assert True\n",
    "skipif": (
        "import pytest\n@pytest.mark.skipif(True, reason='r')\ndef test_it():\n    assert True\n"
    ),
    "a call of skip": "import pytest\ndef test_it():\n    pytest.skip('no broker')\n",
    "a skip in a fixture": (
        "import pytest\n@pytest.fixture\ndef broker():\n    pytest.skip('no broker')\n"
        "def test_it(broker):\n    assert True\n"
    ),
    "a skipped module": "import pytest\npytest.skip('x', allow_module_level=True)\n",
    "a missing import": "import pytest\npytest.importorskip('nothing_of_this_name')\n",
    "an expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n",
    "a call of xfail": "import pytest\ndef test_it():\n    pytest.xfail('known')\n",
    "a skipped unittest": (
        "import unittest\nclass TestIt(unittest.TestCase):\n"
        "    @unittest.skip('x')\n    def test_it(self):\n        pass\n"
    ),
}
COUNTING = """
def pytest_collection_finish(session):
    marked = [{mark.name for mark in item.iter_markers()} for item in session.items]
    counts = [sum(name in marks for marks in marked) for name in ("kafka", "postgres")]
    print("kafka {}, postgres {}".format(*counts))
"""


async def pytest_says(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run pytest in a process of its own; return its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def run_of(folder: Path, **files: str) -> tuple[int, str]:
    """Run test files by themselves, with the plugin that this suite runs with."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    where = ("-c", str(folder / "pytest.ini"), "--rootdir", str(folder), str(folder))
    no_others = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return await pytest_says("-p", "tests.servers.no_skips", *where, **no_others)


async def test_a_run_in_which_all_tests_pass_succeeds(tmp_path: Path) -> None:
    code, said = await run_of(tmp_path, passes=PASSES)
    assert (code, "1 passed" in said) == (0, True), said


@pytest.mark.parametrize("how", UNPROVEN)
async def test_a_run_in_which_a_test_was_skipped_fails(tmp_path: Path, how: str) -> None:
    """Beside tests that pass, and without a word of `skipped` in the summary."""
    code, said = await run_of(tmp_path, passes=PASSES, skipped=UNPROVEN[how])
    assert code in (1, 2), said
    assert re.search(r"\b1 (failed|error)", said), said
    assert not re.search(r"\d+ (skipped|xfailed)", said), said


async def test_this_very_run_has_the_plugin(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("tests.servers.no_skips")


async def test_the_suite_talks_to_real_servers(tmp_path: Path) -> None:
    """So many tests ask for a broker, and for a PostgreSQL; none of them may be skipped."""
    (tmp_path / "counting.py").write_text(COUNTING)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, said = await pytest_says("--collect-only", "-p", "counting", "tests", PYTHONPATH=path)
    assert code == 0, said[-2_000:]
    counted = re.search(r"kafka (\d+), postgres (\d+)", said)
    assert counted, said[-2_000:]
    assert int(counted[1]) >= KAFKA_TESTS
    assert int(counted[2]) >= POSTGRES_TESTS
