"""Reading a topic back from its beginning, as any plain consumer would."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.nemesis.oracle import Oracle

FETCH_SECONDS = 0.2


async def read_back(bootstrap: str, topic: str, partitions: int, oracle: Oracle) -> dict[int, int]:
    """
    Show an oracle every record; return where each partition ends.

    Nobody may write meanwhile.  The end is what fetches say: a broker that was asked for it may
    know less.
    """
    mine = [TopicPartition(topic, number) for number in range(partitions)]
    ends = dict.fromkeys(mine, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="none") as consumer:
        consumer.assign(mine)
        for partition in mine:
            consumer.seek(partition, 0)
        while any(ends[p] != consumer.highwater(p) for p in mine):
            found = await consumer.getmany(timeout_ms=round(FETCH_SECONDS * 1_000))
            for partition, records in found.items():
                for record in records:
                    assert record.offset == ends[partition], "the log has a gap"
                    oracle.read(partition.partition, record.offset, record.value)
                    ends[partition] += 1
    return {partition.partition: end for partition, end in ends.items()}
