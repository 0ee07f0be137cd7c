"""Every operation of the API."""

from __future__ import annotations

from dataclasses import replace

from olearn_core import schemas
from olearn_core.api.agents import (
    list_agents,
    performance,
    reinstate_agent,
    retire_agent,
    show_agent,
)
from olearn_core.api.alerts import list_alerts
from olearn_core.api.batch import Batch
from olearn_core.api.choosing import show_apprentice, show_budget, show_pareto
from olearn_core.api.dead_letters import (
    list_dead_letters,
    retry_dead_letter,
    show_dead_letter,
)
from olearn_core.api.decision_log import show_decision
from olearn_core.api.decisions import (
    decide,
    decide_many,
    predict,
    predict_agent_selection,
    predict_agent_selections,
    predict_many,
)
from olearn_core.api.explanations import explain_decision
from olearn_core.api.health import livez, readyz
from olearn_core.api.models import list_models, list_versions, rollback, save, show_model
from olearn_core.api.nodes import list_plugins, list_workers, show_configuration
from olearn_core.api.operation import EVENT_STREAM, Operation
from olearn_core.api.outcomes import accept_outcome, accept_outcomes
from olearn_core.api.prometheus import scrape
from olearn_core.api.returns import show_returns
from olearn_core.api.status import metrics, status
from olearn_core.api.stream import stream
from olearn_core.api.validation import show_validation

ROOT = "/api/learning"

LIVEZ = Operation("GET", "/livez", livez, schemas.AliveResponse, scope=None)
HEALTHZ = replace(LIVEZ, path="/healthz")  # another name of it, which the document leaves out

# What is called most stands first: paths are tried in this order. Fixed ones stand
# before those with a parameter in the same place.
OPERATIONS = (
    Operation(
        "POST",
        f"{ROOT}/decisions",
        decide,
        schemas.DecisionResponse,
        schemas.DecisionRequest,
        problems=(404, 409),
        scope="predict",
    ),
    Operation(
        "POST",
        f"{ROOT}/predict/agent-selection",
        predict_agent_selection,
        schemas.PredictResponse,
        schemas.PredictRequest,
        problems=(404,),
        scope="predict",
    ),
    Operation(
        "POST",
        f"{ROOT}/outcomes",
        accept_outcome,
        schemas.OutcomeResponse,
        bytes,
        202,
        headers=schemas.EventHeaders,
        scope="feedback",
    ),
    Operation(
        "POST",
        f"{ROOT}/predict/{{model_type}}",
        predict,
        schemas.EstimateResponse,
        schemas.EstimateRequest,
        names=schemas.ModelPath,
        scope="predict",
    ),
    Operation(
        "POST",
        f"{ROOT}/decisions/batch",
        decide_many,
        schemas.DecisionsResponse,
        Batch(schemas.DecisionRequest, 100),
        207,
        scope="predict",
    ),
    Operation(
        "POST",
        f"{ROOT}/predict/agent-selection/batch",
        predict_agent_selections,
        schemas.PredictionsResponse,
        Batch(schemas.PredictRequest, 100),
        207,
        scope="predict",
    ),
    Operation(
        "POST",
        f"{ROOT}/outcomes/batch",
        accept_outcomes,
        schemas.OutcomesResponse,
        Batch(bytes, 1_000),
        207,
        scope="feedback",
    ),
    Operation(
        "POST",
        f"{ROOT}/predict/{{model_type}}/batch",
        predict_many,
        schemas.EstimatesResponse,
        Batch(schemas.EstimateRequest, 100),
        207,
        names=schemas.ModelPath,
        scope="predict",
    ),
    Operation(
        "GET",
        f"{ROOT}/decisions/{{decision_id}}",
        show_decision,
        schemas.LoggedDecisionResponse,
        names=schemas.DecisionPath,
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/decisions/{{decision_id}}/explanation",
        explain_decision,
        schemas.ExplanationResponse,
        names=schemas.DecisionPath,
        scope="read",
    ),
    Operation("GET", f"{ROOT}/returns", show_returns, schemas.ReturnsResponse, scope="read"),
    Operation(
        "GET",
        f"{ROOT}/pareto",
        show_pareto,
        schemas.ParetoResponse,
        query=schemas.ParetoQuery,
        scope="read",
    ),
    Operation(
        "GET", f"{ROOT}/apprentice", show_apprentice, schemas.ApprenticeResponse, scope="read"
    ),
    Operation("GET", f"{ROOT}/budget", show_budget, schemas.BudgetResponse, scope="read"),
    Operation("GET", f"{ROOT}/status", status, schemas.StatusResponse, scope="read"),
    Operation("GET", f"{ROOT}/metrics", metrics, schemas.MetricsResponse, scope="read"),
    Operation(
        "GET",
        f"{ROOT}/agents/performance",
        performance,
        list[schemas.AgentPerformance],
        query=schemas.PerformanceQuery,
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/agents",
        list_agents,
        schemas.AgentsResponse,
        query=schemas.AgentsQuery,
        problems=(404,),
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/agents/{{name}}",
        show_agent,
        schemas.AgentResponse,
        names=schemas.AgentPath,
        query=schemas.AgentQuery,
        scope="read",
    ),
    Operation(
        "POST",
        f"{ROOT}/agents/{{name}}/retire",
        retire_agent,
        schemas.RetirementResponse,
        schemas.RetireRequest,
        names=schemas.AgentPath,
        scope="admin",
    ),
    Operation(
        "POST",
        f"{ROOT}/agents/{{name}}/reinstate",
        reinstate_agent,
        schemas.RetirementResponse,
        names=schemas.AgentPath,
        scope="admin",
    ),
    Operation("GET", f"{ROOT}/alerts", list_alerts, schemas.AlertsResponse, scope="read"),
    Operation(
        "GET",
        f"{ROOT}/stream",
        stream,
        schemas.SnapshotEvent,
        query=schemas.StreamQuery,
        headers=schemas.StreamHeaders,
        problems=(503,),
        media_type=EVENT_STREAM,
        scope="read",
    ),
    Operation("GET", f"{ROOT}/models", list_models, schemas.ModelsResponse, scope="read"),
    Operation(
        "POST", f"{ROOT}/models/save", save, schemas.SaveResponse, scope="admin", operator=True
    ),
    Operation(
        "GET",
        f"{ROOT}/models/{{model_type}}",
        show_model,
        schemas.ModelResponse,
        names=schemas.ModelPath,
        etag=True,
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/models/{{model_type}}/validation",
        show_validation,
        schemas.ValidationResponse,
        names=schemas.ModelPath,
        query=schemas.ValidationQuery,
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/models/{{model_type}}/versions",
        list_versions,
        schemas.VersionsResponse,
        names=schemas.ModelPath,
        scope="read",
    ),
    Operation(
        "POST",
        f"{ROOT}/models/{{model_type}}/rollback",
        rollback,
        schemas.RollbackResponse,
        schemas.RollbackRequest,
        names=schemas.ModelPath,
        problems=(409, 412),
        etag=True,
        scope="admin",
    ),
    Operation(
        "GET",
        f"{ROOT}/dead-letters",
        list_dead_letters,
        schemas.DeadLettersResponse,
        query=schemas.DeadLettersQuery,
        scope="read",
    ),
    Operation(
        "GET",
        f"{ROOT}/dead-letters/{{id}}",
        show_dead_letter,
        schemas.DeadLetterResponse,
        names=schemas.LetterPath,
        scope="read",
    ),
    Operation(
        "POST",
        f"{ROOT}/dead-letters/{{id}}/retry",
        retry_dead_letter,
        schemas.RetryResponse,
        schemas.RetryRequest,
        names=schemas.LetterPath,
        problems=(409,),
        scope="admin",
    ),
    Operation(
        "GET",
        f"{ROOT}/workers",
        list_workers,
        schemas.WorkersResponse,
        scope="read",
        operator=True,
    ),
    Operation(
        "GET",
        f"{ROOT}/plugins",
        list_plugins,
        schemas.PluginsResponse,
        scope="read",
        operator=True,
    ),
    Operation(
        "GET",
        f"{ROOT}/configuration",
        show_configuration,
        schemas.ConfigurationResponse,
        scope="read",
        operator=True,
    ),
    Operation("GET", "/metrics", scrape, str, media_type="text/plain", scope="read", operator=True),
    LIVEZ,
    Operation(
        "GET",
        "/readyz",
        readyz,
        schemas.ReadyResponse,
        query=schemas.ReadyQuery,
        also=(503,),
        scope=None,
    ),
)
