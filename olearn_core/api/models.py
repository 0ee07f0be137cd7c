"""Models and their versions."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException

from olearn_core.api.operation import Call
from olearn_core.errors import ForbiddenError, NotFoundError
from olearn_core.learning.versions.changes import RollbackError, StaleError
from olearn_core.learning.versions.rollback import Rollback
from olearn_core.models import Policy, Predictor
from olearn_core.schemas import (
    ModelResponse,
    ModelsResponse,
    PanelBody,
    RollbackChange,
    RollbackRequest,
    RollbackResponse,
    SaveResponse,
    VersionBody,
    VersionsResponse,
)
from olearn_core.storage.versions import ModelVersion
from olearn_core.times import now_rfc3339, rfc3339

OUR_TAG = re.compile(r'(?:^|,)[ \t]*"(0|[1-9][0-9]{0,18})"[ \t]*(?=,|$)')


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
    model = find_model(call, call.names.model_type)
    active = await call.service.versions.store.active(model.name)
    call.etag = _etag(active)
    return _described(call, model, active)


async def list_models(call: Call) -> ModelsResponse:
    """Describe every model."""
    models = call.service.models
    every: list[Predictor[Any] | Policy[Any]] = [*models.predictors, *models.policies.values()]
    store = call.service.versions.store
    found = [_described(call, model, await store.active(model.name)) for model in every]
    return ModelsResponse(models=found, policy=models.policy.name)


def _described(
    call: Call, model: Predictor[Any] | Policy[Any], active: ModelVersion | None
) -> ModelResponse:
    view = call.service.view
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
        strategy=predictor.options.strategy if predictor else None,
        panel=PanelBody(**asdict(predictor.shown_as)) if predictor else None,
    )


async def list_versions(call: Call) -> VersionsResponse:
    """List a model's versions, newest first."""
    model = find_model(call, call.names.model_type)
    versions = await call.service.versions.store.all(model.name)
    return VersionsResponse(model_type=model.name, versions=[_body(v) for v in versions])


async def save(call: Call) -> SaveResponse:
    """Save a version of every model from what is committed."""
    await call.service.worker.checkpoint()
    saved = await call.service.versions.save()
    numbers = {version.model_type: version.version_number for version in saved}
    return SaveResponse(message=f"{len(numbers)} models saved", versions=numbers)


async def rollback(call: Call) -> RollbackResponse:
    """Bring a model back to one of its versions, or undo that; learning goes on meanwhile."""
    model = find_model(call, call.names.model_type)
    await call.service.worker.checkpoint()
    try:
        return _done(await _rolled_back(call, model.name, call.body))
    except RollbackError as error:
        raise HTTPException(409, str(error)) from error
    except StaleError as error:
        raise HTTPException(412, str(error)) from error


def _etag(active: ModelVersion | None) -> str:
    """Return the tag of a model's state: a rollback saves versions, so it changes the tag."""
    return f'"{active.version_number if active else 0}"'


def _seen(call: Call) -> Collection[int] | None:
    """Return the versions that `If-Match` names, None for any; other tags than ours fit none."""
    wanted = call.request.headers.get("if-match", "*")
    return None if wanted.strip() == "*" else {int(tag) for tag in OUR_TAG.findall(wanted)}


async def _rolled_back(call: Call, model_type: str, asked: RollbackRequest) -> Rollback:
    rollbacks, tenant, seen = call.service.rollbacks, _one_tenant(call, asked), _seen(call)
    if asked.undo is not None:
        return await rollbacks.undo(model_type, asked.undo, tenant, asked.reason, seen)
    number = asked.to_version or 0
    return await rollbacks.to_version(model_type, number, tenant, asked.reason, seen)


def _one_tenant(call: Call, asked: RollbackRequest) -> str | None:
    """
    Return whose view to change; None, for all tenants, is an operator's only.

    :raises ForbiddenError: where the caller may not speak for the tenant it names
    """
    if call.confined_to is None:
        return asked.tenant
    if asked.tenant not in (None, call.confined_to):
        raise ForbiddenError("the credential belongs to another tenant", pointer="/tenant")
    return call.confined_to


def _done(done: Rollback) -> RollbackResponse:
    names = RollbackChange.model_fields
    changes = [
        RollbackChange(**{name: getattr(change, name) for name in names}) for change in done.changes
    ]
    return RollbackResponse(
        rollback_id=done.rollback_id,
        model_types=sorted({change.model_type for change in changes}),
        tenants=sorted({change.tenant for change in changes}),
        changes=changes,
        version_before=done.version_before,
        version_after=done.version_after,
    )


def _body(version: ModelVersion) -> VersionBody:
    fields = {name: getattr(version, name) for name in ModelVersion.__slots__}
    return VersionBody(**fields | {"created_at": now_rfc3339(version.created_at)})
