"""
A pytest plugin that takes a safeguard away before anything is tested.

``OLEARN_MUTATION="no pause …" python -m pytest -p tests.mutations.removed …``
"""

from __future__ import annotations

import importlib
import inspect
import os
import textwrap
from types import FunctionType

from tests.mutations.catalogue import MUTATIONS, Edit


def apply(edit: Edit) -> None:
    """
    Change a function, wherever it was imported to.

    :raises AssertionError: where the safeguard is not there: the catalogue is out of date
    """
    function = found(edit)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(edit.old) == 1, f"{edit.function} has no {edit.old!r}: look for it anew"
    names: dict[str, FunctionType] = {}
    code = compile(
        source.replace(edit.old, edit.new),
        f"<{edit.function}, changed>",
        "exec",
        annotations.compiler_flag,
    )
    exec(code, vars(importlib.import_module(edit.module)), names)
    function.__code__ = names[function.__name__].__code__


def found(edit: Edit) -> FunctionType:
    """Return the function that is to be changed."""
    place = importlib.import_module(edit.module)
    for name in edit.function.split("."):
        assert hasattr(place, name), f"{edit.module} has no {edit.function} any more"
        place = getattr(place, name)
    assert isinstance(place, FunctionType)
    return place


for change in MUTATIONS[os.environ["OLEARN_MUTATION"]].edits:
    apply(change)
