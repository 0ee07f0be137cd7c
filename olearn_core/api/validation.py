"""How well models would have told the outcomes of each hour."""

from __future__ import annotations

from olearn_core.api.models import find_model
from olearn_core.api.operation import Call
from olearn_core.errors import NotFoundError
from olearn_core.models import Predictor
from olearn_core.schemas import ValidationQuery, ValidationResponse


async def show_validation(call: Call) -> ValidationResponse:
    """Test a predictor on each of the last hours with what was known before it."""
    asked: ValidationQuery = call.query
    model = find_model(call, call.names.model_type)
    if not isinstance(model, Predictor):
        raise NotFoundError(f"{model.name} is a policy: it estimates nothing that could be tested")
    hours = await call.service.validation.hours(call.tenant, model, asked.hours)
    return ValidationResponse(model_type=model.name, unit=model.unit, hours=list(hours))
