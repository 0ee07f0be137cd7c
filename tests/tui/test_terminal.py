"""The real thing: a service, the command, a terminal."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from olearn_core.client import OlearnClient
from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.feed.resources import METRICS
from olearn_tui.profiles import profile_of
from olearn_tui.widgets.banner import Banner
from olearn_tui.widgets.panel import TablePanel
from tests.cli.serving import Serving
from tests.support.services import eventually
from tests.tui.fake_service import FakeService

STYLES = re.compile(r"\x1b\[([0-9;:]*)m")
COLOUR = re.compile(r"[34][0-8]|9[0-7]|10[0-7]")
ROOT = Path(__file__).parents[2]


async def test_a_real_service_is_shown_until_it_dies_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the service leaves the key of its first start
    with Serving(tmp_path) as serving:
        async with OlearnClient(serving.url) as client:
            for number in range(60):
                agent, status = ("good", "success") if number % 2 else ("bad", "failure")
                await client.report(
                    {"event_id": str(number), "agent_name": agent, "status": status}
                )
        profile = profile_of(None, serving.url, None, tmp_path / "none.toml", {})
        feed = Feed(Connection(profile.url, profile.key, timeout_seconds=2))
        dashboard = Dashboard(profile, feed)
        async with dashboard.run_test(size=(110, 34)) as pilot:

            def learned() -> bool:
                known = feed.picture.read(METRICS)
                return known is not None and known.samples_processed == 60

            await eventually(learned, "all outcomes shown")
            await pilot.press("3")
            ranking = dashboard.screen.query_one("#ranking", TablePanel).table
            await eventually(lambda: ranking.rows, "a ranking")
            assert {row.agent_name for row in ranking.rows} == {"good", "bad"}
            assert ranking.rows[0].agent_name == "good"
            await asyncio.to_thread(serving.stop)
            banner = dashboard.screen.query_one(Banner)
            await eventually(lambda: "nobody answers" in str(banner.content), "the banner")
            assert ranking.rows


async def test_a_service_that_is_frozen_or_killed_is_waited_for_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Serving(tmp_path) as serving:
        async with OlearnClient(serving.url) as client:
            await client.report({"event_id": "1", "agent_name": "good", "status": "success"})
        profile = profile_of(None, serving.url, None, tmp_path / "none.toml", {})
        dashboard = Dashboard(
            profile, Feed(Connection(profile.url, profile.key, timeout_seconds=2))
        )
        async with dashboard.run_test(size=(110, 34)):
            agents = dashboard.screen.query_one("#agents", TablePanel).table
            banner = dashboard.screen.query_one(Banner)

            def told(trouble: str) -> bool:
                said = str(banner.content)
                return banner.display and trouble in said and "the data are" in said

            async def back() -> None:
                dashboard.feed.hurry()
                await eventually(lambda: not banner.display and agents.rows, "the service")

            await back()
            serving.process.send_signal(signal.SIGSTOP)
            await eventually(lambda: told("does not answer in time"), "a frozen service")
            assert agents.rows
            serving.process.send_signal(signal.SIGCONT)
            await back()
            await asyncio.to_thread(serving.stop, signal.SIGKILL)
            await eventually(lambda: told("nobody answers"), "a dead service")
            assert agents.rows
            port = int(serving.url.rpartition(":")[2])
            with Serving(tmp_path, port=port):
                await back()


class Tmux:
    """A terminal of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def __call__(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "tmux", "-u", "-S", str(self._socket), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    async def shows(self, text: str) -> None:
        """Wait until a text is on the screen."""
        seen = ""

        async def there() -> bool:
            nonlocal seen
            seen = await self("capture-pane", "-p")
            return text in seen

        await eventually(there, lambda: f"{text!r} in:\n{seen}")


@asynccontextmanager
async def terminal(folder: Path, size: tuple[int, int], command: str) -> AsyncIterator[Tmux]:
    """Run a command in a terminal of this size; its exit code goes to `folder`/code."""
    tmux = Tmux(folder / "tmux")
    width, height = map(str, size)
    # Sizes in the environment, as of whoever runs the tests, would count more than the terminal's.
    kind = "env -u COLUMNS -u LINES LANG=C.UTF-8 TERM=xterm-256color COLORTERM=truecolor"
    line = f"cd {ROOT} && {kind} {command}; echo $? > {folder}/code"
    await tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, line)
    try:
        yield tmux
    finally:
        await tmux("kill-server")


@pytest.mark.terminal
async def test_the_command_runs_in_a_terminal(tmp_path: Path, fake: FakeService) -> None:
    command = f"{sys.executable} -m olearn_core dashboard --url {fake.url}"
    async with terminal(tmp_path, (120, 40), command) as tmux:
        await tmux.shows("planner")
        await tmux.shows("success rate by agent")
        await tmux("send-keys", "7")
        await tmux.shows("agent-outcomes/5")
        await tmux("send-keys", "/")
        await tmux.shows("filter: words")
        await tmux("send-keys", "node-2")
        await tmux.shows("filter node-2")
        await tmux("send-keys", "Enter")
        await tmux("send-keys", "Escape")
        await tmux.shows("partitions · 6 ")  # else Escape and what follows are one key
        await tmux("send-keys", "q")
        code = tmp_path / "code"
        await eventually(code.exists, "the end of the command")
        await eventually(lambda: code.read_text().strip() == "0", "exit code 0")


@pytest.mark.terminal
async def test_without_colours_none_is_painted(tmp_path: Path, fake: FakeService) -> None:
    command = f"{sys.executable} -m olearn_core dashboard --url {fake.url}"
    async with terminal(tmp_path, (100, 30), command) as tmux:
        await tmux.shows("planner")
        assert colours(await tmux("capture-pane", "-e", "-p"))
    (tmp_path / "plain").mkdir()
    async with terminal(tmp_path / "plain", (100, 30), f"NO_COLOR=1 {command}") as tmux:
        await tmux.shows("planner")
        painted = await tmux("capture-pane", "-e", "-p")
        assert not colours(painted)
        assert "\x1b[" in painted  # bold and reverse are there all the same


def colours(painted: str) -> set[str]:
    """Return the escapes among what is painted that set a colour, but for the terminal's own."""
    codes = [code for found in STYLES.findall(painted) for code in found.split(";")]
    return {code for code in codes if COLOUR.fullmatch(code)}


@pytest.mark.terminal
async def test_a_terminal_that_shrinks_and_grows_is_followed(
    tmp_path: Path, fake: FakeService
) -> None:
    command = f"{sys.executable} -m olearn_core dashboard --url {fake.url}"
    async with terminal(tmp_path, (120, 40), command) as tmux:
        await tmux.shows("success rate by agent")
        await tmux("resize-window", "-x", "50", "-y", "12")
        await tmux.shows("The terminal is too small: 50 by 12.")
        await tmux("resize-window", "-x", "200", "-y", "50")
        await tmux.shows("success rate by agent")


@pytest.mark.terminal
async def test_without_a_service_it_says_so_and_waits(tmp_path: Path) -> None:
    command = f"{sys.executable} -m olearn_core dashboard --url http://127.0.0.1:9"
    async with terminal(tmp_path, (80, 24), command) as tmux:
        await tmux.shows("nobody answers at http://127.0.0.1:9")
        assert "Traceback" not in await tmux("capture-pane", "-p")
