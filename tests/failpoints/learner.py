"""A service that says what its Kafka client does, to be stopped: its settings are its argument."""

from __future__ import annotations

import logging

from tests.service.learner import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.INFO)
    main()
