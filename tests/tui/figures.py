"""Made-up but plausible answers of a service, the same for the same second."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from olearn_core import schemas

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC).timestamp()
NAMES = (
    "planner", "coder", "reviewer", "researcher", "summarizer", "debugger", "translator",
    "critic", "retriever", "router", "tester", "writer",
)  # fmt: skip
TASK_TYPES = (
    "code-review", "bug-fix", "summary", "translation", "search", "planning", "sql", "refactor",
    "triage", "docs",
)  # fmt: skip


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def metrics(now: float) -> schemas.MetricsResponse:
    tick = now - START
    return schemas.MetricsResponse(
        total_updates=int(tick * 5),
        successful_updates=int(tick * 5),
        failed_updates=0,
        avg_update_time_ms=4.2,
        p95_update_time_ms=6.2 + 2 * math.sin(tick / 20),
        samples_processed=1_000_000 + int(48_000 * tick + 60_000 * math.sin(tick / 12)),
        samples_per_second=48_212.4,
        current_model_score=0.873 + 0.01 * math.sin(tick / 40),
        improvement_rate=0.02,
        decided=180_000,
        joined=171_000,
        dangling_share=0.04,
        agent_count=len(NAMES),
        task_patterns=len(NAMES) * len(TASK_TYPES),
        duplicates=12,
        dead_letters=17 + int(tick / 60),
        token_refusals={},
        lag=int(620 + 500 * math.sin(tick / 15) + 80 * math.sin(tick)),
        lag_seconds=0.02,
        as_of=rfc3339(now),
    )


def status(now: float) -> schemas.StatusResponse:
    return schemas.StatusResponse(
        status="healthy",
        running=True,
        role="all",
        source="kafka",
        kafka_topic="agent-outcomes",
        batch_size=10,
        models_loaded=["success_prediction", "agent_selection"],
        policy="agent_selection",
        partitions=["agent-outcomes/0", "agent-outcomes/1"],
        lag=620,
        lost_records=0,
        dedup={},
        warnings=[],
        failed_plugins={},
        view_version=1_204,
        as_of=rfc3339(now),
    )


def rate_of(place: int, now: float) -> float:
    drift = 0.03 * math.sin((now - START) / 60 + place)
    return min(0.99, max(0.05, 0.94 - 0.052 * place + drift))


def share_record(mean: float, n: int) -> schemas.ShareRecord:
    half = 1.96 * math.sqrt(mean * (1 - mean) / n)
    return schemas.ShareRecord(mean=mean, low=mean - half, high=min(1.0, mean + half), n=n)


def summary(place: int, now: float) -> schemas.AgentSummary:
    runs = 182_000 // (place + 1)
    rate = rate_of(place, now)
    trend = [rate + 0.05 * math.sin(hour / 3 + place) for hour in range(24)]
    name = NAMES[place] if place < len(NAMES) else f"agent-{place:03}"
    return schemas.AgentSummary(
        agent_name=name,
        retired=place == 11,
        executions=runs,
        timeouts=place * 3,
        success=share_record(rate, runs // 90 + 30),
        quality=share_record(0.9 - 0.03 * place if place < 20 else 0.3, 400),
        latency=schemas.LatencyRecord(
            mean_ms=400.0 + 60 * place, p50_ms=320.0 + 50 * place, p95_ms=900.0 + 130 * place,
            low_ms=90, high_ms=2_000, n=runs,
        ),
        cost=schemas.CostRecord(mean_usd=0.0021 * (place + 1), total_usd=88.1, n=runs),
        share_lately=None if place == 11 else 0.46 / (place + 1) ** 1.2,
        last_seen=rfc3339(now - 60),
        trend=schemas.Trend(
            first_hour=rfc3339(now - 86_400), executions=[runs // 240] * 24, success=trend
        ),
    )  # fmt: skip


def agents(now: float, count: int = len(NAMES)) -> schemas.AgentsResponse:
    rows = [summary(place, now) for place in range(count)]
    return schemas.AgentsResponse(
        agents=rows, total=len(rows), next_cursor=None, as_of=rfc3339(now)
    )


def agent(name: str, now: float) -> schemas.AgentResponse:
    place = NAMES.index(name)
    beliefs = [
        belief("success_prediction", "success", "probability", rate_of(place, now), 0.02),
        belief("quality_prediction", "quality", "score", 0.82, 0.03),
        belief("latency_prediction", "latency", "ms", 412.0, 31.0),
        belief("cost_prediction", "cost", "USD", 0.0042, 0.0003),
    ]
    on_task = [
        schemas.AgentOnTask(
            task_type=task,
            executions=900,
            success_rate=0.98 - 0.09 * order,
            avg_quality=0.8,
            avg_latency_ms=410.0,
            avg_cost_usd=0.004,
            beliefs=beliefs,
        )
        for order, task in enumerate(TASK_TYPES)
    ]
    hours = [point(now - 3_600 * (48 - hour), hour) for hour in range(48)]
    return schemas.AgentResponse(
        **dict(summary(place, now)),
        retired_at=None,
        retired_reason=None,
        beliefs=beliefs,
        task_types=on_task,
        history=schemas.AgentHistory(hours=hours, days=[]),
        recent=[recent(now, order) for order in range(30)],
    )


def belief(model: str, component: str, unit: str, mean: float, half: float) -> schemas.AgentBelief:
    return schemas.AgentBelief(
        model_type=model, component=component, unit=unit,
        mean=mean, low=mean - half, high=mean + half, effective_n=812.4,
    )  # fmt: skip


def point(start: float, hour: int) -> schemas.HistoryPoint:
    return schemas.HistoryPoint(
        start=rfc3339(start),
        executions=int(900 + 500 * math.sin(hour / 4)),
        success_rate=0.86 + 0.05 * math.sin(hour / 5),
        avg_quality=0.8,
        avg_latency_ms=400.0,
        avg_cost_usd=0.004,
    )


def recent(now: float, order: int) -> schemas.RecentOutcome:
    states = ("success", "success", "success", "partial", "failure", "success", "timeout")
    return schemas.RecentOutcome(
        at=rfc3339(now - 3 * order),
        task_type=TASK_TYPES[order % len(TASK_TYPES)],
        status=states[order % len(states)],
        quality_score=0.7 + 0.01 * (order % 20),
        latency_ms=212.0 + 37 * order,
        cost_usd=0.004,
        decided=order % 3 != 0,
    )


def alert(now: float, kind: str = "drift", state: str = "firing") -> schemas.AlertBody:
    return schemas.AlertBody(
        id=f"{kind}-1",
        dedup_key=f"{kind}/default/coder/bug-fix",
        kind=kind,
        severity="warning",
        state=state,
        tenant="default",
        subject=["coder", "bug-fix"],
        message="success fell from 0.91 to 0.74 since 08:00; look at its last release",
        since=rfc3339(now - 840),
        node="node-1",
    )


def alerts(now: float) -> schemas.AlertsResponse:
    return schemas.AlertsResponse(firing=[alert(now)], recent=[], as_of=rfc3339(now))


def models(now: float) -> schemas.ModelsResponse:
    rows = [
        model("success_prediction", "probability", "percent", "higher", now),
        model("quality_prediction", "score", "percent", "higher", now),
        model("latency_prediction", "ms", "duration_ms", "lower", now),
        model("cost_prediction", "USD", "usd", "lower", now),
        schemas.ModelResponse(
            model_type="agent_selection",
            kind="policy",
            update_count=900,
            last_update=rfc3339(now),
            performance_summary=schemas.PerformanceSummary(total_agents=12, task_patterns=120),
            options={"curiosity": 6.0},
            unit=None,
            active_version=7,
        ),
    ]
    return schemas.ModelsResponse(models=rows, policy="agent_selection")


def model(model_type: str, unit: str, shown: str, better: str, now: float) -> schemas.ModelResponse:
    return schemas.ModelResponse(
        model_type=model_type,
        kind="predictor",
        update_count=900,
        last_update=rfc3339(now),
        performance_summary=schemas.PerformanceSummary(total_agents=12, task_patterns=120),
        options={"strategy": "bayesian", "prior_strength": 2.0},
        unit=unit,
        active_version=7,
        strategy="bayesian",
        panel=schemas.PanelBody(
            title=model_type.split("_", maxsplit=1)[0].title(), format=shown, better=better
        ),
    )


def estimates(model_type: str, task_type: str, now: float) -> schemas.EstimateResponse:
    scale = {"latency_prediction": 412.0, "cost_prediction": 0.0042}.get(model_type, 0.9)
    unit = {"latency_prediction": "ms", "cost_prediction": "USD"}.get(model_type, "share")
    rows = [
        schemas.AgentEstimate(
            agent_name=name, mean=mean, low=0.94 * mean, high=1.05 * mean, sd=0.03 * mean,
            effective_n=812.4 / (place + 1),
        )
        for place, name in enumerate(NAMES)
        for mean in [scale * (1 - 0.05 * place)]
    ]  # fmt: skip
    return schemas.EstimateResponse(
        model_type=model_type, task_type=task_type, unit=unit, estimates=rows, as_of=rfc3339(now)
    )


def versions(model_type: str, now: float) -> schemas.VersionsResponse:
    rows = [version(model_type, number, now) for number in range(7, 0, -1)]
    return schemas.VersionsResponse(model_type=model_type, versions=rows)


def version(model_type: str, number: int, now: float) -> schemas.VersionBody:
    return schemas.VersionBody(
        id=number,
        model_type=model_type,
        version_number=number,
        status="active" if number == 7 else "archived",
        metrics={"score": 0.80 + 0.01 * number, "brier": 0.12 - 0.004 * number},
        parameters={},
        training_samples=120_000 * number,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        covered_offsets={},
        parent_version_id={1: None, 5: 3}.get(number, number - 1),
        created_at=rfc3339(now - 300 * (8 - number)),
    )


def validation(model_type: str, now: float) -> schemas.ValidationResponse:
    hours = [
        schemas.ValidationHour(
            start=rfc3339(now - 3_600 * (24 - hour)),
            outcomes=900,
            observed=0.86 + 0.04 * math.sin(hour / 3),
            expected=0.86 + 0.035 * math.sin((hour - 1) / 3),
            mean_squared_error=0.11 - 0.001 * hour,
        )
        for hour in range(24)
    ]
    return schemas.ValidationResponse(model_type=model_type, unit="probability", hours=hours)


def dead_letters(now: float) -> schemas.DeadLettersResponse:
    letters = [letter(number, now) for number in range(17, 0, -1)]
    reasons = {"must be between 0 and 1": 17}
    return schemas.DeadLettersResponse(letters=letters, total=17, not_retried=16, by_reason=reasons)


def letter(number: int, now: float) -> schemas.DeadLetterSummary:
    return schemas.DeadLetterSummary(
        id=number,
        source="kafka",
        topic="agent-outcomes",
        partition=number % 2,
        offset=88_000 + number,
        reason="must be between 0 and 1",
        pointer="/quality_score",
        payload_bytes=212,
        payload_sha256="e3b0c442",
        whole=True,
        tenant="default",
        created_at=rfc3339(now - 100 * number),
        retried_at=rfc3339(now) if number == 3 else None,
    )


def plugins() -> schemas.PluginsResponse:
    loaded = [
        schemas.PluginBody(
            name=name, distribution="olearn", version="0.1.0",
            hooks=["olearn_register_models"], models=[f"{name}_prediction"], problem=None,
        )
        for name in ("success", "quality", "latency", "cost")
    ]  # fmt: skip
    failed = schemas.PluginBody(
        name="toxicity", distribution="olearn-toxicity", version="0.3.1", hooks=[], models=[],
        problem="ModuleNotFoundError: No module named 'torch'",
    )  # fmt: skip
    return schemas.PluginsResponse(plugins=[*loaded, failed])


def configuration() -> schemas.ConfigurationResponse:
    values = [
        ("api.host", "127.0.0.1", "default", None),
        ("database.url", "postgresql+asyncpg://***@db/olearn", "file", None),
        ("kafka.bootstrap_servers", "broker-1:9092", "environment", "KAFKA_BOOTSTRAP_SERVERS"),
        ("kafka.sasl_password", "***", "environment", "OLEARN_KAFKA__SASL_PASSWORD"),
        ("learning.batch_size", 10, "default", None),
    ]
    settings = [
        schemas.SettingBody(key=key, value=value, origin=origin, variable=variable)
        for key, value, origin, variable in values
    ]
    return schemas.ConfigurationResponse(file="/etc/olearn/config.toml", settings=settings)


def workers(now: float) -> schemas.WorkersResponse:
    nodes = [
        schemas.NodeBody(
            instance=f"node-{number}", role="all", version="0.1.0",
            started_at=rfc3339(now - 86_400), seen_at=rfc3339(now - 2), alive=number != 3,
            partitions=[f"agent-outcomes/{number}"],
            problems=["the database refused connections for 12 s"] if number == 3 else [],
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    partitions = [
        schemas.PartitionBody(
            source="kafka", topic="agent-outcomes", partition=number,
            owner=f"node-{number % 3 + 1}", owner_alive=number % 3 != 2, epoch=3 + number,
            next_offset=1_204_412 + 300 * number, end_offset=1_204_600 + 1_300 * number,
            lag=188 + 1_000 * number, lag_seconds=0.4 + 12 * number, version=8_812,
            checkpoint_at=rfc3339(now - 1), checkpoint_age_seconds=0.2 + number,
        )
        for number in range(6)
    ]  # fmt: skip
    return schemas.WorkersResponse(nodes=nodes, partitions=partitions, this_instance="node-1")


def component(
    name: str, unit: str, mean: float, half: float, prior: float
) -> schemas.ComponentBelief:
    return schemas.ComponentBelief(
        component=name, unit=unit, mean=mean, low=mean - half, high=mean + half,
        effective_n=812.0, prior_share=prior,
    )  # fmt: skip


def decision(asked: schemas.DecisionRequest, now: float) -> schemas.DecisionResponse:
    weight = (asked.weights or {}).get("cost", 1.0)
    order = sorted(NAMES[:6], key=lambda name: (NAMES.index(name) - 3) * (1 if weight <= 1 else -1))
    ranked = [
        schemas.Recommendation(
            agent_name=name, score=0.8 - 0.05 * rank, rank=rank, probability=0.5**rank
        )
        for rank, name in enumerate(order, start=1)
    ]
    parts = [
        schemas.Contribution(component="success", part="agent", utility=0.081),
        schemas.Contribution(component="success", part="task_type", utility=0.034),
        schemas.Contribution(component="cost", part="agent", utility=-0.027),
        schemas.Contribution(component="latency", part="rest", utility=-0.006),
    ]
    ahead = [
        schemas.Contribution(component="success", part="agent", utility=0.047),
        schemas.Contribution(component="success", part="task_type", utility=0.012),
        schemas.Contribution(component="cost", part="agent", utility=-0.009),
    ]
    explanation = schemas.Explanation(
        agent_name=order[0], expected_utility=0.75, probability=0.5, shares={"floor": 0.01},
        probability_best=0.61, is_exploration=False,
        against_average=schemas.Comparison(
            agent_name=None, difference=0.082, contributions=parts
        ),
        against_runner_up=schemas.Comparison(
            agent_name=order[1], difference=0.05, contributions=ahead
        ),
        components=[
            component("success", "probability", 0.917, 0.02, 0.04),
            component("latency", "ms", 412.0, 30.0, 0.11),
            component("cost", "USD", 0.0021, 0.0002, 0.08),
        ],
        limits=[], cost_price=0.0,
    )  # fmt: skip
    return schemas.DecisionResponse(
        recommendations=ranked, model_score=0.7, timestamp=rfc3339(now), decision_id="",
        propensity=0.5, view_version=1_204, as_of=rfc3339(now), agent_name=order[0],
        explanation=explanation if asked.explain else None,
    )  # fmt: skip
