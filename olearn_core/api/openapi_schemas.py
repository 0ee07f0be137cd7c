"""The schemas of the OpenAPI document: those of the models that read and write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from olearn_core.api.batch import Batch
from olearn_core.api.operation import Operation
from olearn_core.api.outcome_schema import outcome_schemas
from olearn_core.schemas import Problem

PREFIX = "#/components/schemas/"

Mode = Literal["validation", "serialization"]


def schemas_of(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the schema of every body, by its name."""
    models = list(dict.fromkeys(_models(operations)))
    _, found = models_json_schema(models, ref_template=f"{PREFIX}{{model}}")
    return {**found["$defs"], **outcome_schemas(PREFIX)}


def reference(model: Any) -> dict[str, Any]:
    """Return where the schema of a model stands; a list refers to that of its items."""
    if model is str:
        return {"type": "string"}
    if isinstance(model, str):
        return {"$ref": f"{PREFIX}{model}"}
    if isinstance(model, type) and issubclass(model, BaseModel):
        return reference(model.__name__)
    return {"type": "array", "items": reference(answer_model(model))}


def answer_model(gives: Any) -> type[BaseModel | str]:
    """Return the model of an answer, or of a list's items; `str` where it is plain text."""
    model: type[BaseModel | str] = next(iter(get_args(gives)), gives)
    return model


def _models(operations: Sequence[Operation]) -> Iterator[tuple[type[BaseModel], Mode]]:
    yield Problem, "serialization"
    for operation in operations:
        gives = answer_model(operation.gives)
        if issubclass(gives, BaseModel):
            yield gives, "serialization"
        takes = operation.takes.item if isinstance(operation.takes, Batch) else operation.takes
        if takes is not None and issubclass(takes, BaseModel):
            yield takes, "validation"
