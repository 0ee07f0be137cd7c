"""Reading parameters: what stands in a path, a query or headers, checked by its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from olearn_core.api.paths import segment
from olearn_core.errors import OlearnError
from olearn_core.schemas import FieldProblem

Place = Literal["path", "query", "header"]
Model = TypeVar("Model", bound=BaseModel)


class ParametersError(OlearnError):
    """
    Parameters of a request are not as its operation declares them.

    :param place: where they stand
    :param errors: all that is wrong
    """

    def __init__(self, place: Place, errors: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{e.parameter}: {e.detail}" for e in errors))
        self.place = place
        self.errors = errors


def path_of(model: type[Model], request: Request) -> Model:
    """
    Return the parameters in the path.

    :raises ParametersError: naming each that is wrong
    """
    return _read(model, "path", [(name, segment(request, name)) for name in request.path_params])


def query_of(model: type[Model], request: Request) -> Model:
    """
    Return the parameters in the query; none may be unknown, or given twice.

    :raises ParametersError: naming each that is wrong
    """
    return _read(model, "query", request.query_params.multi_items())


def headers_of(model: type[Model], request: Request) -> Model:
    """
    Return the headers that the model names.

    :raises ParametersError: naming each that is wrong
    """
    given = [(name, request.headers.get(name)) for name in names_of(model)]
    return _read(model, "header", [(name, text) for name, text in given if text is not None])


@lru_cache(maxsize=256)
def properties_of(model: type[BaseModel]) -> Mapping[str, Mapping[str, Any]]:
    """Return the JSON Schema of each parameter, by its name in requests."""
    properties: Mapping[str, Mapping[str, Any]] = model.model_json_schema()["properties"]
    return properties


def names_of(model: type[BaseModel]) -> Iterable[str]:
    """Return the names of a model's parameters as requests have them."""
    return properties_of(model).keys()


def _read(model: type[Model], place: Place, given: Iterable[tuple[str, str]]) -> Model:
    """Parameters are text: those whose schema is no string are read as JSON."""
    fields: dict[str, msgspec.Raw] = {}
    for name, text in given:
        if name in fields:
            raise ParametersError(
                place, [FieldProblem(parameter=name, detail="is given more than once")]
            )
        fields[name] = _raw(text, is_text=_is_text(properties_of(model).get(name, {})))
    try:
        return model.model_validate_json(msgspec.json.encode(fields))
    except ValidationError as error:
        raise ParametersError(place, _problems(error)) from None


def _raw(text: str, *, is_text: bool) -> msgspec.Raw:
    if not is_text:
        try:
            msgspec.json.decode(text, type=bool | int | float)
        except (msgspec.DecodeError, UnicodeError):
            pass  # then it is a text, and refused as one
        else:
            return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode(text))


def _is_text(schema: Mapping[str, Any]) -> bool:
    forms = (schema, *schema.get("anyOf", ()))
    return any(form.get("type") == "string" for form in forms)


def _problems(error: ValidationError) -> list[FieldProblem]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldProblem(parameter=str(p["loc"][0]), detail=p["msg"]) for p in found]
