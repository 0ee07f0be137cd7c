"""A plugin that cannot be imported."""

from __future__ import annotations

raise ValueError("this plugin is broken")
