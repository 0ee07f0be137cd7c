"""
The hooks a plugin can implement.

An implementation may take any subset of a hook's arguments. Hooks are plain
functions, never coroutines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from olearn_core.models import Policy, Predictor

PROJECT = "olearn"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

AnyModel = type[Predictor[Any]] | type[Policy[Any]]


@hookspec
def olearn_register_models() -> Sequence[AnyModel]:  # type: ignore[empty-body]
    """
    Return the model classes this plugin provides.

    Called once, at start, before any outcome is read. Where two plugins claim
    a name, the second is refused and shown as failed.
    """
