"""The bundled models are plugins like any other."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import olearn_plugins
from olearn_core import Policy, Predictor

MODELS = {
    "success": ("success_prediction", Predictor),
    "quality": ("quality_prediction", Predictor),
    "latency": ("latency_prediction", Predictor),
    "cost": ("cost_prediction", Predictor),
    "agent_selection": ("agent_selection", Policy),
    "classic": ("classic", Policy),
}


@pytest.mark.parametrize("entry", MODELS)
def test_each_entry_point_registers_its_model(entry):
    (point,) = entry_points(group="olearn", name=entry)
    (model,) = point.load().olearn_register_models()
    name, kind = MODELS[entry]
    assert model.name == name
    assert issubclass(model, kind)
    model(model.Options())


def test_predictors_count_by_a_column_they_declare():
    for entry, (_, kind) in MODELS.items():
        if kind is Predictor:
            (point,) = entry_points(group="olearn", name=entry)
            (model,) = point.load().olearn_register_models()
            assert model.count in model.columns
            assert model.component == entry


def test_they_import_what_a_third_party_may_import():
    allowed = {"olearn_core", "olearn_plugins", "numpy", "pydantic", *sys.stdlib_module_names}
    for path in Path(olearn_plugins.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [node.module] if isinstance(node, ast.ImportFrom) else []
            imported += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for module in imported:
                assert module.split(".")[0] in allowed
                assert not module.startswith("olearn_core."), "the public exports are enough"
