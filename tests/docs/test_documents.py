"""What the documentation shows is run; what it lists is compared with the code."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from olearn_core import hookspecs
from olearn_core.api.operations import OPERATIONS
from olearn_core.api.problem_types import PROBLEM_TYPES, ProblemType
from olearn_core.config import OLDER_NAMES
from olearn_core.models import Query
from olearn_core.models.sums import Sums
from olearn_core.plugins import Plugins
from tests.cli.serving import Serving, environment
from tests.support.credentials import KEY

ROOT = Path(__file__).parents[2]
FIRST = ["README.md", "docs/QUICKSTART.md"]  # they give the service its first outcomes
OTHERS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS = list(dict.fromkeys([*FIRST, *OTHERS]))
ALL_DOCUMENTS = [*DOCUMENTS, "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
GUIDE = (ROOT / "docs/ONLINE_LEARNING.md").read_text()
PRELUDE = 'set -euo pipefail; curl() { command curl --fail-with-body "$@"; }\n'
ELSEWHERE = ("make ", "source ", "olearn serve", ".venv/bin/olearn serve")


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("documents")) as serving:
        yield serving


def run(command: list[str], service: Serving, **more: str) -> None:
    """Run a command where its users would: in the service's folder, with its address."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        command,
        cwd=service.folder,
        env=environment(PATH=path, OLEARN_URL=service.url, OLEARN_API_KEY=KEY, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, f"{command[-1]}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_shell_commands_of_the_documents_succeed(document: str, service: Serving) -> None:
    for block in blocks(document, "bash"):
        lines = [line for line in block.splitlines() if not line.startswith(ELSEWHERE)]
        script = PRELUDE + "\n".join(lines).replace("http://127.0.0.1:8000", service.url)
        run(["bash", "-c", script], service)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_curl_is_among_the_commands_that_are_run(document: str) -> None:
    run_here = "".join(blocks(document, "bash"))
    for line in (ROOT / document).read_text().splitlines():
        if re.match(r"\s*(\$ )?curl ", line):
            assert line in run_here, line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_of_the_documents_runs(document: str, service: Serving) -> None:
    for block in blocks(document, "python"):
        if "hookimpl" in block:
            continue  # the plugin has a test of its own
        script = block.replace("http://127.0.0.1:8000", service.url)
        database = f"sqlite+aiosqlite:///{service.folder}/in-process.db"
        command = [sys.executable, "-W", "error", "-c", script]
        run(command, service, OLEARN_DATABASE__URL=database)


def test_the_guides_plugin_is_whole() -> None:
    (source,) = [b for b in blocks("docs/ONLINE_LEARNING.md", "python") if "hookimpl" in b]
    module = types.ModuleType("timeout_rate")
    exec(source, module.__dict__)
    plugins = Plugins.found()
    assert plugins.register(module, "timeout-rate").problem is None
    models = plugins.models("agent_selection", {"timeout_prediction": {"strategy": "exponential"}})
    predictor = next(p for p in models.predictors if p.name == "timeout_prediction")
    sums = Sums(["t"], ["a"], ["executions", "timeouts"], np.array([[[96.0, 19.5]]]))
    estimate = predictor.estimate(sums, Query("t", ("a", "new")))
    assert estimate.mean.tolist() == [0.2, 0.125]


def test_every_hook_is_documented_with_its_signature() -> None:
    for name, hook in vars(hookspecs).items():
        if name.startswith("olearn_"):
            assert f"`{name}{inspect.signature(hook)}`".replace("'", "") in GUIDE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_every_route_is_documented(operation: object) -> None:
    assert f"`{operation.method} {operation.path}`" in GUIDE  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", PROBLEM_TYPES.values(), ids=lambda kind: kind.slug)
def test_every_kind_of_problem_is_documented(kind: ProblemType) -> None:
    assert f"| {kind.status} {kind.title} | {kind.means} | {kind.remedy} |" in GUIDE


def test_every_column_is_documented() -> None:
    for column in Plugins.found().models("agent_selection", {}).column_names:
        assert f"`{column}`" in GUIDE


@pytest.mark.parametrize("name", OLDER_NAMES)
def test_every_older_name_is_documented(name: str) -> None:
    assert name in GUIDE


@pytest.mark.parametrize("document", ALL_DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#]+)?(?:#[^)]*)?\)", text):
        if target and "://" not in target:
            assert ((ROOT / document).parent / target).exists(), target


def test_every_make_target_that_is_mentioned_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in ALL_DOCUMENTS:
        for target in re.findall(r"make ([a-z]+(?:-[a-z]+)*)\b", (ROOT / document).read_text()):
            if f"`make {target}" in (ROOT / document).read_text():
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_architectures_floors_are_those_that_are_enforced() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for entry in sorted((ROOT / "olearn_core").iterdir()):
        name = entry.stem
        if not name.startswith("__") and (entry.suffix == ".py" or entry.is_dir()):
            assert f"`{name}`" in text, name
