"""The older Python call: a service in a thread, for code without an event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Any, Self

from olearn_core.config import Settings, load_settings
from olearn_core.decisions.question import Question
from olearn_core.errors import NotFoundError, NotReadyError
from olearn_core.events import DEFAULT
from olearn_core.models import Query
from olearn_core.service import Service

logger = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0


class ModelType(StrEnum):
    """The bundled models."""

    AGENT_SELECTION = "agent_selection"
    SUCCESS_PREDICTION = "success_prediction"
    QUALITY_PREDICTION = "quality_prediction"
    LATENCY_PREDICTION = "latency_prediction"
    COST_PREDICTION = "cost_prediction"


class ModelUpdater:
    """
    A service that learns in a thread of its own until it is stopped.

    Every method may be called from any thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._ready: Future[Service] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """
        Start, and return when it learns.

        :raises OlearnError: where something is missing
        """
        if self.is_running:
            return
        self._ready = Future()
        self._thread = threading.Thread(target=self._run, name="olearn", daemon=True)
        self._thread.start()
        self._ready.result(START_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Learn what was received, save, and stop."""
        if not self.is_running or self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT_SECONDS)

    def predict(
        self,
        model_type: ModelType | str,
        task_type: str = DEFAULT,
        context: Mapping[str, Any] | None = None,
        top_k: int = 3,
    ) -> list[tuple[str, float]]:
        """
        Return the best agents with a score each, best first.

        For agent_selection the first agent is drawn and the score its expected
        utility; for a predictor it is the expected value in the predictor's unit.
        """
        ranking: list[tuple[str, float]] = self._call(
            self._predict, str(model_type), task_type, dict(context or {})
        )
        return ranking[:top_k]

    def get_metrics(self) -> dict[str, Any]:
        """Return totals of what was learned."""
        counters: Mapping[str, int] = self._call(lambda service: service.view.counters())
        executions = counters.get("executions", 0)
        score = counters.get("success_milli", 0) / 1_000 / executions if executions else None
        return {
            "total_updates": counters.get("updates", 0),
            "samples_processed": counters.get("samples", 0),
            "duplicates": counters.get("duplicates", 0),
            "dead_letters": counters.get("dead_letters", 0),
            "current_model_score": score,
            "running": self.is_running,
        }

    def _predict(
        self, service: Service, model_type: str, task_type: str, context: dict[str, Any]
    ) -> list[tuple[str, float]]:
        question = Question(DEFAULT, task_type, context)
        if model_type in service.models.policies:
            try:
                decision = service.decider.decide(question)
            except NotFoundError:
                return []
            return [(agent, score) for agent, score, _ in decision.ranked]
        query = Query(task_type, tuple(service.decider.known_agents(DEFAULT)), context)
        estimate = service.decider.estimate(model_type, DEFAULT, query)
        pairs = zip(query.agents, estimate.mean.tolist(), strict=True)
        lower_is_better = model_type in ("latency_prediction", "cost_prediction")
        return sorted(pairs, key=lambda pair: pair[1], reverse=not lower_is_better)

    def _call(self, function: Any, *arguments: Any) -> Any:
        if not self.is_running or self._loop is None:
            raise NotReadyError("the updater is not running: call start() first")
        service = self._ready.result(START_TIMEOUT_SECONDS)

        async def call() -> Any:
            return function(service, *arguments)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(START_TIMEOUT_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                logger.exception("the updater has ended")
            else:
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            service = await Service.open(self._settings, stack)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(service.run(self._stop))
                await service.worker.loaded.wait()
                self._ready.set_result(service)


class _Current:
    """The updater that `get_model_updater` returns again."""

    updater: ModelUpdater | None = None
    lock = threading.Lock()


def get_model_updater(kafka_servers: str | None = None, *, force_new: bool = False) -> ModelUpdater:
    """
    Return the process's updater, started.

    :param kafka_servers: bootstrap servers, None for what is configured
    :param force_new: stop the one there is and make another
    :raises OlearnError: where it cannot start
    """
    with _Current.lock:
        current = _Current.updater
        if current is not None and current.is_running and not force_new:
            return current
        if current is not None:
            current.stop()
        _Current.updater = ModelUpdater(_settings(kafka_servers))
        _Current.updater.start()
        return _Current.updater


def _settings(kafka_servers: str | None) -> Settings:
    if kafka_servers is None:
        return load_settings()
    configured = load_settings().kafka.model_dump(exclude_unset=True)
    kafka = configured | {"bootstrap_servers": kafka_servers, "enabled": True}
    return load_settings(kafka=kafka)
