"""Every operation of the API."""

from __future__ import annotations

from olearn_core import schemas
from olearn_core.api.agents import performance
from olearn_core.api.decisions import decide, predict, predict_agent_selection
from olearn_core.api.models import list_versions, save, show_model
from olearn_core.api.operation import Operation
from olearn_core.api.outcomes import accept_outcome
from olearn_core.api.status import metrics, status

ROOT = "/api/learning"

# What is called most stands first: paths are tried in this order. Fixed ones stand
# before those with a parameter in the same place.
OPERATIONS = (
    Operation(
        "POST", f"{ROOT}/decisions", decide, schemas.DecisionResponse, schemas.DecisionRequest
    ),
    Operation(
        "POST",
        f"{ROOT}/predict/agent-selection",
        predict_agent_selection,
        schemas.PredictResponse,
        schemas.PredictRequest,
    ),
    Operation("POST", f"{ROOT}/outcomes", accept_outcome, schemas.OutcomeResponse, bytes, 202),
    Operation(
        "POST",
        f"{ROOT}/predict/{{model_type}}",
        predict,
        schemas.EstimateResponse,
        schemas.EstimateRequest,
    ),
    Operation("GET", f"{ROOT}/status", status, schemas.StatusResponse),
    Operation("GET", f"{ROOT}/metrics", metrics, schemas.MetricsResponse),
    Operation("GET", f"{ROOT}/agents/performance", performance, list[schemas.AgentPerformance]),
    Operation("POST", f"{ROOT}/models/save", save, schemas.SaveResponse),
    Operation("GET", f"{ROOT}/models/{{model_type}}", show_model, schemas.ModelResponse),
    Operation(
        "GET", f"{ROOT}/models/{{model_type}}/versions", list_versions, schemas.VersionsResponse
    ),
)
