"""The page of the API in a real browser, with the network closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.cli.serving import Serving
from tests.servers.chromium import Chromium, Page
from tests.support.credentials import HEADERS, KEY

PREDICT = "#operations-predict-predict_agent_selection"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("docs")) as serving:
        outcome = {"agent_name": "atlas", "task_type": "summarise", "status": "success"}
        url = f"{serving.url}/api/learning/outcomes"
        httpx2.post(url, json=outcome, headers=HEADERS).raise_for_status()
        yield serving


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    with browser.page() as page:
        yield page
        page.open("about:blank")


def test_it_shows_every_operation_and_asks_nobody_else(service: Serving, page: Page) -> None:
    page.open(f"{service.url}/docs")
    operations = sum(map(len, httpx2.get(f"{service.url}/openapi.json").json()["paths"].values()))
    page.until(f"document.querySelectorAll('.opblock').length === {operations}")
    origins = {urlsplit(url).netloc for url in page.requests() if not url.startswith("data:")}
    assert origins == {urlsplit(service.url).netloc}
    assert page.complaints() == []


def test_what_is_tried_out_there_succeeds(service: Serving, page: Page) -> None:
    page.open(f"{service.url}/docs")
    page.until("document.querySelector('.authorize') !== null")
    page.until(f"(ui.preauthorizeApiKey('credential', '{KEY}'), true)")
    page.click(f"{PREDICT} .opblock-summary-control")
    page.click(f"{PREDICT} .try-out__btn")
    page.until(f"document.querySelector('{PREDICT} textarea')?.value.includes('summarise')")
    page.click(f"{PREDICT} .execute")
    status = f"document.querySelector('{PREDICT} .live-responses-table tbody .response-col_status')"
    assert page.until(f"{status}?.innerText").split()[0] == "200"
    body = page.until(f"document.querySelector('{PREDICT} .live-responses-table code')?.innerText")
    assert json.loads(body)["recommendations"][0]["agent_name"] == "atlas"
    assert page.complaints() == []


def test_a_type_of_problem_leads_to_its_paragraph(service: Serving, page: Page) -> None:
    problem = httpx2.get(f"{service.url}/api/learning/models/nothing", headers=HEADERS).json()
    page.open(f"{service.url}{problem['type']}")
    assert page.until("document.querySelector('h2:target')?.innerText") == "404 Not Found"
    assert page.complaints() == []


def test_a_foreign_script_would_not_run(service: Serving, page: Page) -> None:
    page.open(f"{service.url}/docs/problems")
    page.until("document.querySelector('h2')")
    page.until(
        "(document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.foreign = 1'})), true)"
    )
    assert page.until("window.foreign === undefined")
    assert any("Content Security Policy" in said for said in page.complaints())


@pytest.mark.parametrize("path", ["/docs", "/docs/problems", "/docs/files/start.js"])
def test_the_policy_allows_nothing_foreign(service: Serving, path: str) -> None:
    policy = httpx2.get(f"{service.url}{path}").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "http" not in policy


def test_the_vendored_files_are_those_that_were_fetched(tmp_path: Path) -> None:
    from tools.vendor_swagger_ui import FOLDER, differing

    assert differing() == []
    assert "Apache License" in (FOLDER / "LICENSE").read_text()
