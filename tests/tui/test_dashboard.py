"""The dashboard under an operator's fingers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from textual.pilot import Pilot
from textual.widgets import HelpPanel, Input

from olearn_tui.app import Dashboard, exported
from olearn_tui.feed.messages import Refreshed
from olearn_tui.profiles import Profile
from olearn_tui.screens.agent import AgentPage
from olearn_tui.screens.modals import Confirm, Details
from olearn_tui.screens.page import Page
from olearn_tui.widgets.banner import Banner, trouble
from olearn_tui.widgets.charts import HeatStrip, LineChart, PosteriorChart, SignedBars
from olearn_tui.widgets.figure import BAD, CALM, Figure
from olearn_tui.widgets.key_line import KeyLine
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable
from tests.support.services import eventually
from tests.tui import figures
from tests.tui.conftest import Open
from tests.tui.fake_service import FakeService, problem

SCREENS = ("Overview", "Agents", "Decide", "Models", "Stream", "Plugins", "Workers")


@asynccontextmanager
async def shown(
    dashboard: Dashboard, size: tuple[int, int] = (110, 34)
) -> AsyncIterator[Pilot[None]]:
    async with dashboard.run_test(size=size) as pilot:
        yield pilot


def table(dashboard: Dashboard, panel: str) -> RowTable[Any]:
    return dashboard.screen.query_one(f"#{panel}", TablePanel).table


async def filled(dashboard: Dashboard, panel: str = "agents") -> RowTable[Any]:
    await eventually(lambda: table(dashboard, panel).rows, f"rows of {panel}")
    return table(dashboard, panel)


async def test_the_first_screen_shows_figures_lines_agents_and_alerts(
    open_dashboard: Open,
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard):
        agents = await filled(dashboard)
        await filled(dashboard, "alerts")
        screen = dashboard.screen
        assert [a.agent_name for a in agents.rows[:2]] == ["planner", "coder"]
        assert screen.query_one("#score", Figure).shown == "0.870"
        names = {line.name for line in screen.query_one("#success", LineChart).lines}
        assert "planner" in names
        assert len(names) >= 4
        assert screen.query_one("#alerts", TablePanel).has_class("firing")


@pytest.mark.parametrize("number", range(1, 8))
async def test_a_number_goes_to_its_screen_and_crumbs_say_where(
    open_dashboard: Open, number: int
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        await pilot.press(str(number))
        screen = dashboard.screen
        assert isinstance(screen, Page)
        assert screen.crumbs()[0].startswith(SCREENS[number - 1])


async def test_enter_looks_closer_and_escape_goes_back(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        await pilot.press("down", "enter")
        page = dashboard.screen
        assert isinstance(page, AgentPage)
        assert page.crumbs() == ["Agents", "coder"]
        await filled(dashboard, "recent")
        beliefs = page.query_one(PosteriorChart).beliefs
        assert [belief.name for belief in beliefs] == ["coder", "planner"]
        assert len(page.query_one(HeatStrip).tiles) == len(figures.TASK_TYPES)
        assert len(page.query_one("#history", LineChart).lines[0].values) == 48 + 1  # its end
        await pilot.press("escape")
        assert page.crumbs() != dashboard.screen.crumbs() == ["Agents"]


async def test_a_filter_narrows_and_escape_forgets_it(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        agents = await filled(dashboard)
        await pilot.press("slash", *"er !wr")
        names = {row.agent_name for row in agents.rows}
        assert {"planner", "coder", "router"} <= names
        assert "writer" not in names
        await pilot.press("enter")
        assert agents.has_focus
        assert "filter er !wr" in str(dashboard.screen.query_one(TablePanel).border_title)
        await pilot.press("escape")
        assert len(agents.rows) == len(figures.NAMES)


async def test_rows_are_sorted_by_keys_and_by_clicks(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        agents = await filled(dashboard)
        assert (agents.sorted_by, agents.descending) == ("runs", True)
        await pilot.press("S")
        assert agents.rows[0].agent_name == "writer"
        await pilot.press("s")
        assert agents.sorted_by != "runs"
        await pilot.click(RowTable, offset=(3, 0))
        assert agents.sorted_by == "agent"
        assert [row.agent_name for row in agents.rows] == sorted(figures.NAMES)
        await pilot.click(RowTable, offset=(3, 0))
        assert agents.rows[0].agent_name == "writer"


async def test_the_cursor_follows_its_row_when_rows_change_places(open_dashboard: Open) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        agents = await filled(dashboard)
        await pilot.press("down", "down")
        followed = agents.current.agent_name
        agents.set(list(reversed(agents.every)))
        agents.sort_by("success", descending=False)
        assert agents.current.agent_name == followed
        assert agents.cursor > 2
        await pilot.press("g")
        assert agents.cursor == 0
        await pilot.press("G")
        assert agents.cursor == len(figures.NAMES) - 1


async def test_space_holds_the_picture_and_lets_it_go(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        agents = await filled(dashboard)
        await pilot.press("space")
        assert dashboard.state()[0] == "HELD"
        fake.agents = 3
        dashboard.feed.hurry()
        await eventually(lambda: len(dashboard.feed.picture.success) == 3, "newer agents")
        dashboard.on_refreshed()
        assert len(agents.rows) == len(figures.NAMES)
        await pilot.press("space")
        assert len(agents.rows) == 3


async def test_weights_move_the_ranking_and_nothing_is_logged(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard(first="decide")
    async with shown(dashboard) as pilot:
        ranking = await filled(dashboard, "ranking")
        assert ranking.rows[0].agent_name == "planner"
        bars = dashboard.screen.query_one("#average", SignedBars).bars
        assert bars[0].label == "success · agent"
        dashboard.screen.query_one("#context", Input).value = "complexity=3, domain=law"
        dashboard.screen.query_one("#weight-cost", Input).focus()
        await pilot.press(*"5", "up")
        await eventually(lambda: ranking.rows[0].agent_name == "debugger", "another first")
        path, asked = fake.posted[-1]
        assert path == "/decisions"
        assert asked == {
            "task_type": "bug-fix",
            "context": {"complexity": 3.0, "domain": "law"},
            "weights": {"cost": 5.1},
            "explain": True,
            "preview": True,
        }


async def test_what_cannot_be_asked_is_said(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="decide")
    async with shown(dashboard) as pilot:
        await filled(dashboard, "ranking")
        dashboard.screen.query_one("#context", Input).value = "complexity"
        panel = dashboard.screen.query_one("#ranking", TablePanel)
        await eventually(lambda: "is not key=value" in str(panel.border_title), "what is wrong")
        await pilot.press("escape")
        assert panel.table.has_focus


async def test_a_model_is_looked_at_closer_by_the_cursor(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="models")
    async with shown(dashboard) as pilot:
        await filled(dashboard, "models")
        rows = (await filled(dashboard, "versions")).rows
        assert [row.branches for row in rows] == ["● "] * 3 + ["├─○ "] + ["● "] * 3
        await pilot.press("down")
        chart = dashboard.screen.query_one("#validation", LineChart)
        assert str(chart.border_title).startswith("Quality")
        assert dict(table(dashboard, "options").rows)["strategy"] == "bayesian"


async def test_nothing_is_changed_unless_writes_are_allowed(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard(first="models")
    async with shown(dashboard) as pilot:
        await filled(dashboard, "versions")
        await pilot.press("b", "w", "5", "t")
        assert isinstance(dashboard.screen, Page)
        assert all(path.startswith("/predict/") for path, _ in fake.posted)


async def test_a_rollback_takes_the_models_name_typed(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard(allow_writes=True, first="models")
    async with shown(dashboard) as pilot:
        await filled(dashboard, "versions")
        await pilot.press("b")
        await eventually(lambda: isinstance(dashboard.screen, Confirm), "a question")
        await pilot.press(*"yes", "enter")
        assert isinstance(dashboard.screen, Confirm)
        dashboard.screen.query_one(Input).value = "success_prediction"
        await pilot.press("enter")
        path = "/models/success_prediction/rollback"
        await eventually(lambda: path in dict(fake.posted), "the rollback")
        assert dict(fake.posted)[path]["to_version"] == 7


async def test_a_dead_letter_shows_its_head_and_is_retried(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard(allow_writes=True, first="stream")
    async with shown(dashboard) as pilot:
        letters = await filled(dashboard, "letters")
        letters.focus()
        await pilot.press("enter")
        await eventually(lambda: isinstance(dashboard.screen, Details), "the letter")
        assert "quality_score" in dashboard.screen.text
        await pilot.press("escape", "t")
        await eventually(lambda: isinstance(dashboard.screen, Confirm), "a question")
        await pilot.press(*"retry", "enter")
        await eventually(lambda: fake.posted, "the retry")
        assert fake.posted[0][0] == "/dead-letters/17/retry"


async def test_the_tail_shows_what_the_stream_sends(
    open_dashboard: Open, fake: FakeService
) -> None:
    fake.streams = True
    dashboard = open_dashboard(first="stream")
    async with shown(dashboard):
        fake.send("version", '{"model_type": "m", "version_number": 8}', "1")
        fake.send("dead_letter", figures.letter(18, figures.START), "2")
        tail = await filled(dashboard, "tail")
        await eventually(lambda: len(tail.rows) == 2, "both events")
        assert [row.name for row in tail.rows] == ["dead_letter", "version"]


async def test_plugins_that_failed_say_why_and_secrets_stay_hidden(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="plugins")
    async with shown(dashboard):
        plugins = await filled(dashboard, "plugins")
        settings = await filled(dashboard, "settings")
        said = exported(plugins, "csv")
        assert "No module named 'torch'" in said
        assert "OLEARN_KAFKA__SASL_PASSWORD" in exported(settings, "csv")


async def test_partitions_are_listed_by_their_lag(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="workers")
    async with shown(dashboard) as pilot:
        partitions = await filled(dashboard, "partitions")
        assert [row.partition for row in partitions.rows] == [5, 4, 3, 2, 1, 0]
        await pilot.press("enter")
        assert isinstance(dashboard.screen, Details)
        assert '"epoch": 8' in dashboard.screen.text


async def test_a_table_is_exported_as_it_is_sorted_and_filtered(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        agents = await filled(dashboard)
        agents.filter("er")
        written = list(csv.DictReader(io.StringIO(exported(agents, "csv"))))
        assert [row["agent"] for row in written] == [row.agent_name for row in agents.rows]
        assert float(written[0]["success"]) == pytest.approx(agents.rows[0].success.mean)
        assert json.loads(exported(agents, "json"))[0]["agent_name"] == "planner"
        sent: list[tuple[str, str]] = []
        dashboard.deliver_text = lambda text, **more: sent.append(  # type: ignore[assignment]
            (text.getvalue(), more["save_filename"])
        )
        await pilot.press("e", "E")
        assert [name for _, name in sent] == ["olearn-agents.csv", "olearn-agents.json"]
        await pilot.press("y")
        assert json.loads(dashboard.clipboard)["agent_name"] == "planner"


async def test_f_shows_a_panel_alone_until_escape(open_dashboard: Open) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        await pilot.press("f")
        assert dashboard.screen.maximized is not None
        await pilot.press("escape")
        assert dashboard.screen.maximized is None


async def test_help_tells_the_keys_of_what_has_the_focus(open_dashboard: Open) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        await pilot.press("question_mark")
        assert dashboard.screen.query(HelpPanel)
        await pilot.press("question_mark")
        assert not dashboard.screen.query(HelpPanel)


async def test_the_last_line_has_the_keys_of_what_has_the_focus_and_a_click_presses_one(
    open_dashboard: Open,
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        line = dashboard.screen.query_one(KeyLine)
        await eventually(lambda: "Sort" in {key.does for key in line.keys}, "a table's keys")
        text = line.render_line(0).text
        await pilot.click(KeyLine, offset=(text.index("Hold"), 0))
        await eventually(lambda: dashboard.is_held, "the picture held")
        await pilot.press("tab", "tab")
        await eventually(lambda: "Sort" not in {key.does for key in line.keys}, "a chart's keys")


async def test_a_double_click_looks_closer(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        await eventually(lambda: not dashboard.screen.query_one(Banner).display, "the service")
        await pilot.pause()
        await pilot.click(RowTable, offset=(3, 2), times=2)
        await eventually(lambda: isinstance(dashboard.screen, AgentPage), "the agent")
        assert dashboard.screen.crumbs() == ["Agents", "coder"]


async def test_the_tail_follows_what_is_new_unless_somebody_looks_at_a_row(
    open_dashboard: Open, fake: FakeService
) -> None:
    fake.streams = True
    dashboard = open_dashboard(first="stream")
    async with shown(dashboard) as pilot:
        tail = table(dashboard, "tail")

        async def sent(numbers: range) -> None:
            for number in numbers:
                fake.send("version", f'{{"model_type": "m", "version_number": {number}}}')
            await eventually(lambda: len(tail.rows) == numbers.stop, "the events")

        await sent(range(3))
        assert tail.current.data["version_number"] == 2
        await sent(range(3, 5))
        assert tail.current.data["version_number"] == 4
        await pilot.press("down")
        await sent(range(5, 9))
        assert tail.current.data["version_number"] == 3


async def test_a_key_that_is_revoked_is_told_and_what_is_known_stays(
    open_dashboard: Open, fake: FakeService
) -> None:
    fake.key = "olk_live_right"
    dashboard = open_dashboard(key="olk_live_right")
    async with shown(dashboard):
        agents = await filled(dashboard)
        fake.key = "olk_live_other"
        banner = dashboard.screen.query_one(Banner)
        await eventually(lambda: "key is not accepted" in str(banner.content), "the refusal")
        assert "the data are" in str(banner.content)
        assert agents.rows


async def test_a_model_that_cannot_be_asked_spoils_nothing_else(
    open_dashboard: Open, fake: FakeService
) -> None:
    def broken(request: Request) -> Response | None:
        return problem(500, "it divides by zero") if "/predict/" in request.url.path else None

    fake.fault = broken
    dashboard = open_dashboard(first="models")
    async with shown(dashboard):
        panel = dashboard.screen.query_one("#estimates", TablePanel)
        await eventually(lambda: "divides by zero" in str(panel.border_title), "what is wrong")
        assert dashboard.feed.picture.link.state == "live"


async def test_the_palette_has_every_action(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="models")
    async with shown(dashboard) as pilot:
        await filled(dashboard, "models")
        titles = {command.title for command in dashboard.get_system_commands(dashboard.screen)}
        for title in ("Workers (7)", "Hold (space)", "Roll back (b)", "Sort (s)", "Filter (/)"):
            assert title in titles
        command = next(
            c for c in dashboard.get_system_commands(dashboard.screen) if c.title == "Workers (7)"
        )
        await command.callback()
        await pilot.pause()
        assert dashboard.current_mode == "workers"


async def test_a_screen_is_a_click_away(open_dashboard: Open) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard, (160, 40)) as pilot:
        await filled(dashboard)
        line = "".join(s.text for s in dashboard.screen.query_one("#top").render_line(0))
        await pilot.click("#top", offset=(line.index("7 Workers") + 3, 0))
        await eventually(lambda: dashboard.current_mode == "workers", "the workers")


async def test_a_lost_connection_is_told_over_the_last_data(
    open_dashboard: Open, fake: FakeService
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard):
        agents = await filled(dashboard)
        fake.fault = lambda _: problem(500, "the database is away")
        banner = dashboard.screen.query_one(Banner)
        await eventually(lambda: banner.display, "the banner")
        assert "the database is away (500) · attempt 1" in str(banner.content)
        assert "the data are" in str(banner.content)
        assert agents.rows
        fake.fault = lambda _: None
        dashboard.feed.hurry()
        await eventually(lambda: not banner.display, "no banner")


async def test_a_key_that_is_refused_is_told(open_dashboard: Open, fake: FakeService) -> None:
    fake.key = "olk_live_right"
    dashboard = open_dashboard(key="olk_live_wrong")
    async with shown(dashboard):
        banner = dashboard.screen.query_one(Banner)
        await eventually(lambda: "key is not accepted" in str(banner.content), "the refusal")
        assert "olk_live" not in str(banner.content)


async def test_data_that_get_old_are_told_even_where_nothing_failed(open_dashboard: Open) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard):
        await filled(dashboard)
        picture = dashboard.feed.picture
        heard = picture.link.heard_at
        assert trouble(picture, "http://x", heard + 1) == ""
        assert "the data are 30 s old" in trouble(picture, "http://x", heard + 30)


async def test_keys_can_be_others(fake: FakeService, open_dashboard: Open) -> None:
    made = open_dashboard()
    profile = Profile("staging", fake.url, keys={"screen.workers": "w", "hold": "p"})
    dashboard = Dashboard(profile, made.feed)
    async with shown(dashboard) as pilot:
        await pilot.press("w")
        assert dashboard.current_mode == "workers"
        await pilot.press("p")
        assert dashboard.is_held


async def test_production_is_red(fake: FakeService, open_dashboard: Open) -> None:
    dashboard = Dashboard(Profile("eu", fake.url, production=True), open_dashboard().feed)
    async with shown(dashboard):
        assert dashboard.theme == "olearn-production"


@pytest.mark.parametrize("size", [(59, 24), (80, 15), (20, 5)])
async def test_a_terminal_that_is_too_small_is_told(
    open_dashboard: Open, size: tuple[int, int]
) -> None:
    dashboard = open_dashboard()
    async with shown(dashboard, size) as pilot:
        note = dashboard.screen.query_one("#too-small")
        assert note.display
        assert f"{size[0]} by {size[1]}" in str(note.render())
        await pilot.resize_terminal(80, 24)
        await eventually(lambda: note.styles.display != "block", "enough room")


@pytest.mark.parametrize("wanted", [True, False])
async def test_no_color_means_none(
    open_dashboard: Open, monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    if not wanted:
        monkeypatch.setenv("NO_COLOR", "1")
    dashboard = open_dashboard()
    async with shown(dashboard):
        await filled(dashboard)
        painted = {
            colour
            for strip in dashboard.screen._compositor.render_strips()
            for segment in strip
            if segment.style
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None and not colour.is_default
        }
        assert bool(painted) == wanted


def test_a_refresh_replaces_one_that_waits() -> None:
    assert Refreshed().can_replace(Refreshed())


@pytest.mark.parametrize(("value", "level"), [(None, CALM), (10, CALM), (2_000, 1), (20_000, BAD)])
def test_a_figure_warns_by_its_limits(value: float | None, level: int) -> None:
    figure = Figure("lag", warn=1_000, bad=10_000)
    assert figure._level(value) == level


async def test_every_theme_draws_every_kind_of_panel(open_dashboard: Open) -> None:
    dashboard = open_dashboard(first="agents")
    async with shown(dashboard) as pilot:
        await filled(dashboard)
        await pilot.press("enter")
        await filled(dashboard, "recent")
        for theme in dashboard.available_themes:
            dashboard.theme = theme
            await pilot.pause()
            strip = dashboard.screen.query_one(HeatStrip).render_line(0)
            assert "bug-fix" in strip.text
