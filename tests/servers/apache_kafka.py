"""
Apache Kafka itself, one node in KRaft mode, run from the jars that Maven Central serves.

``python -m tests.servers.apache_kafka`` runs it in the foreground, ``--fetch`` only gets the jars.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from tests.servers import HOST, Server, ServerError, answers_kafka, free_ports

# 4.4.0 cannot be resolved: its POM asks for kafka-tools-api 4.4.0, which Central does not have.
VERSION = "4.3.1"
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"

POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>olearn.tests</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

# Small buffers and one partition for each internal topic keep memory and start-up low; consumer
# groups form without the usual 3 s of waiting, and may use sessions short enough for tests.  After
# a kill the broker is let in again when its old session is over: 3 s, not the usual 9.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{advertised}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
num.network.threads=2
num.io.threads=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""

JVM = [
    "-Xms64m",
    "-Xmx192m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]


class ApacheKafka(Server):
    """
    One Apache Kafka broker; its topics and groups survive ``restart``, ``stop`` and ``kill``.

    :param advertised: the port that clients are told to use, where it is a proxy's
    """

    name = "apache-kafka"

    def __init__(self, folder: Path, cache: Path = CACHE, advertised: int | None = None) -> None:
        super().__init__(folder)
        self._cache = cache
        self.port, self._controller_port = free_ports(2)
        self._advertised = advertised or self.port
        self._data = folder / "apache-kafka-data"
        self._properties = folder / "apache-kafka.properties"

    def start(self) -> None:
        """Start the broker, fetching its jars and formatting its storage the first time."""
        if not self._data.exists():
            self._format()
        super().start()

    def _format(self) -> None:
        ports = {"port": self.port, "advertised": self._advertised}
        values = ports | {"controller_port": self._controller_port, "data": self._data}
        self._properties.write_text(PROPERTIES.format(host=HOST, **values))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        options = ["format", "--standalone", f"--cluster-id={cluster}", "--config"]
        _run([*self._java("kafka.tools.StorageTool"), *options, str(self._properties)])

    def _command(self) -> list[str]:
        return [*self._java("kafka.Kafka"), str(self._properties)]

    def _java(self, main_class: str) -> list[str]:
        return [_program("java"), *JVM, "-cp", f"{fetch_jars(self._cache)}/*", main_class]

    def _answers(self) -> bool:
        return answers_kafka(self.port)

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        shutil.rmtree(self._data, ignore_errors=True)


def fetch_jars(cache: Path = CACHE) -> Path:
    """
    Return the folder of Kafka's jars inside ``cache``, downloading them the first time.

    :raises ServerError: if Maven is missing or fails.
    """
    jars = cache / VERSION
    if not jars.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            _download(Path(unfinished))
            _move_into_place(Path(unfinished) / "jars", jars)
    return jars


def _download(folder: Path) -> None:
    pom = folder / "pom.xml"
    pom.write_text(POM)
    goal = "dependency:copy-dependencies"
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"]
    _run([_program("mvn"), "--batch-mode", "--quiet", "--file", str(pom), goal, *options])


def _move_into_place(finished: Path, jars: Path) -> None:
    try:
        finished.rename(jars)
    except OSError:
        # Another process may have been first; anything else is an error.
        if not jars.exists():
            raise


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServerError(
            f"{name} is missing; Apache Kafka needs Java 17 or newer, and Maven to get its jars. "
            "On Debian: apt-get install openjdk-17-jre-headless maven"
        )
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)} ended with {done.returncode}.\n{done.stdout}")


def _run_in_foreground() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tempfile.TemporaryDirectory() as folder, ApacheKafka(Path(folder)) as kafka:
        print(kafka.bootstrap, flush=True)
        signal.pause()


def main() -> None:
    """Run the broker until interrupted, or only fetch its jars."""
    parser = argparse.ArgumentParser(description="Apache Kafka for the tests.")
    parser.add_argument("--fetch", action="store_true", help="only download the jars")
    try:
        if parser.parse_args().fetch:
            print(fetch_jars())
        else:
            _run_in_foreground()
    except ServerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
