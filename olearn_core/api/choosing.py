"""How a tenant's agents are chosen: whom to consider, the apprentice's record, the budget."""

from __future__ import annotations

from olearn_core.api.operation import Call
from olearn_core.decisions.pareto import pareto
from olearn_core.models import Query
from olearn_core.schemas import ApprenticeResponse, BudgetResponse, ParetoQuery, ParetoResponse


async def show_pareto(call: Call) -> ParetoResponse:
    """List agents on a task type, and who outdoes whom."""
    asked: ParetoQuery = call.query
    decider = call.service.decider
    query = Query(asked.task_type, decider.recent(call.tenant))
    return pareto(decider.judge, call.tenant, query, call.service.view.as_of)


async def show_apprentice(call: Call) -> ApprenticeResponse:
    """Tell how this node would have chosen instead of the default agent."""
    decider = call.service.decider
    return decider.apprenticeship.report(call.tenant, decider.rulebook.of(call.tenant))


async def show_budget(call: Call) -> BudgetResponse:
    """Tell what was spent, and the price that keeps the budget."""
    decider = call.service.decider
    budget = decider.rulebook.of(call.tenant).budget_usd_per_hour
    return call.service.pacing.report(call.tenant, budget)
