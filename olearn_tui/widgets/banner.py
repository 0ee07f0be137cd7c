"""What is wrong with the connection, and how old the data are."""

from __future__ import annotations

from textual.widgets import Static

from olearn_tui.feed.picture import Picture
from olearn_tui.formats import span

OLD_SECONDS = 6.0


class Banner(Static):
    """Shown while the service does not answer; never in the way of the data."""

    def __init__(self) -> None:
        super().__init__(id="banner", markup=False)
        self.display = False

    def set(self, picture: Picture, url: str, now: float) -> None:
        """Tell what is wrong, or nothing."""
        said = trouble(picture, url, now)
        if self.display != bool(said):
            self.display = bool(said)
        if said and said != self.content:
            self.update(said)


def trouble(picture: Picture, url: str, now: float) -> str:
    """Return what is wrong with the connection, "" where nothing is."""
    link = picture.link
    age = None if link.heard_at is None else now - link.heard_at
    if link.state == "connecting":
        return f"⟳ connecting to {url} …"
    if link.state == "live":
        old = age is not None and age > OLD_SECONDS
        return f"⟳ waiting for {url}: the data are {span(age)} old" if old else ""
    known = "there are no data yet" if age is None else f"the data are {span(age)} old"
    again = span(max(0.0, link.retry_at - now))
    return f"⟳ {link.detail} · attempt {link.attempt}, again in {again} · {known}"
