"""What screens may ask of the application."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from textual.app import App

from olearn_tui.feed.feed import Feed
from olearn_tui.feed.picture import Picture
from olearn_tui.profiles import Profile


class DashboardApp(App[None]):
    """
    The application as screens see it.

    :ivar picture: what is shown; it stands still while it is held
    :ivar allow_writes: whether anything may be changed
    """

    profile: Profile
    feed: Feed
    picture: Picture
    allow_writes: bool

    @abstractmethod
    def state(self) -> list[str]:
        """Return how the service does, what matters most first."""

    @abstractmethod
    def go_back(self) -> None:
        """Leave a screen for the one before."""

    @abstractmethod
    def open_agent(self, name: str) -> None:
        """Show all that is known of an agent."""

    @abstractmethod
    def open_details(self, title: str, data: Any) -> None:
        """Show all of a row."""

    @abstractmethod
    def may_write(self) -> bool:
        """Return whether anything may be changed; say so where it may not."""
