"""What `olearn dashboard` does."""

from __future__ import annotations

import gc

from olearn_tui.app import Dashboard
from olearn_tui.feed.connection import Connection
from olearn_tui.feed.feed import Feed
from olearn_tui.profiles import profile_of, profiles_path


def dashboard(*, url: str | None, key: str | None, profile: str | None, allow_writes: bool) -> int:
    """
    Show the dashboard until it is left; return the exit code.

    :raises ProfileError: where the profile cannot be used
    """
    chosen = profile_of(profile, url, key, profiles_path())
    feed = Feed(Connection(chosen.url, chosen.key))
    app = Dashboard(chosen, feed, allow_writes=allow_writes)
    gc.freeze()  # looking again and again through all that stays would stall keys
    app.run()
    return app.return_code or 0
