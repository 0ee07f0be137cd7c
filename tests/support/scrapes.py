"""What a service tells Prometheus, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import Api
from tests.support.services import eventually, publish, received

Series = tuple[str, frozenset[tuple[str, str]]]


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: Mapping[Series, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples that have these labels among theirs."""
        found = [v for (n, own), v in self.samples.items() if n == name and labels.items() <= own]
        assert found, f"there is no {name} with {labels}"
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(own)[label] for n, own in self.samples if n == name}


async def scraped(api: Api) -> Scrape:
    answer = await api.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


async def lived(api: Api) -> None:
    """Have a service decide, learn what came of it, refuse a record and save a version."""
    decided = await api.post("/decisions", json={"eligible_agents": ["ada"], "task_type": "code"})
    outcome = {"agent_name": "ada", "task_type": "code", "latency_ms": 500, "cost_usd": 0.25}
    told = {"decision_id": decided.json()["decision_id"], "status": "success"}
    await api.learn(outcome | told, outcome | {"status": "failure", "event_id": "2"})
    await api.learn(outcome | {"status": "failure", "event_id": "2"})
    await publish(api.service.publisher, [b'{"agent_name": "ada", "status": "odd"}'])
    await received(api.service, 4)
    assert (await api.post("/models/save")).status_code == 200
    await eventually(lambda: api.service.follower.newest)
