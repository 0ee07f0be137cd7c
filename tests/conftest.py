"""What every test may use: real servers, and a run that fails where a test is skipped."""

from __future__ import annotations

pytest_plugins = ["tests.servers.fixtures", "tests.servers.no_skips"]
