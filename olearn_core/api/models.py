"""Models and their versions."""

from __future__ import annotations

from typing import Any

from olearn_core.api.operation import Call
from olearn_core.errors import NotFoundError
from olearn_core.models import Policy, Predictor
from olearn_core.schemas import (
    ModelResponse,
    SaveResponse,
    VersionBody,
    VersionsResponse,
)
from olearn_core.storage.versions import ModelVersion
from olearn_core.times import now_rfc3339, rfc3339


def find_model(call: Call, model_type: str) -> Predictor[Any] | Policy[Any]:
    """
    Return a model by its type.

    :raises NotFoundError: naming those that there are
    """
    models = call.service.models
    known = {p.name: p for p in models.predictors} | dict(models.policies)
    if model_type not in known:
        raise NotFoundError(f"there is no model {model_type!r}, but {', '.join(sorted(known))}")
    return known[model_type]


async def show_model(call: Call) -> ModelResponse:
    """Describe one model."""
    model = find_model(call, call.request.path_params["model_type"])
    view, versions = call.service.view, call.service.versions.store
    active = await versions.active(model.name)
    predictor = model if isinstance(model, Predictor) else None
    last = max((header.updated_at for header in view.headers if header.version), default=0.0)
    return ModelResponse(
        model_type=model.name,
        kind="predictor" if predictor else "policy",
        update_count=view.counters().get("updates", 0),
        last_update=rfc3339(last),
        performance_summary=call.service.progress.summary(
            call.tenant, predictor.count.name if predictor else "executions"
        ),
        options=model.options.model_dump(mode="json"),
        unit=predictor.unit if predictor else None,
        active_version=active.version_number if active else None,
    )


async def list_versions(call: Call) -> VersionsResponse:
    """List a model's versions, newest first."""
    model = find_model(call, call.request.path_params["model_type"])
    versions = await call.service.versions.store.all(model.name)
    return VersionsResponse(model_type=model.name, versions=[_body(v) for v in versions])


async def save(call: Call) -> SaveResponse:
    """Save a version of every model from what is committed."""
    await call.service.worker.checkpoint()
    saved = await call.service.versions.save()
    numbers = {version.model_type: version.version_number for version in saved}
    return SaveResponse(message=f"{len(numbers)} models saved", versions=numbers)


def _body(version: ModelVersion) -> VersionBody:
    fields = {name: getattr(version, name) for name in ModelVersion.__slots__}
    return VersionBody(**fields | {"created_at": now_rfc3339(version.created_at)})
