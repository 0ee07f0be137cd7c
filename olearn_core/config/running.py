"""What runs, with which plugins."""

from __future__ import annotations

from typing import Literal

from olearn_core.config.section import Section


class ServiceSettings(Section):
    """What this node does: `learner` only learns, `api` only answers, `all` both."""

    role: Literal["all", "learner", "api"] = "all"


class PluginSettings(Section):
    """Which plugins are left out."""

    disabled: tuple[str, ...] = ()
