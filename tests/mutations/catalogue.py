"""Safeguards of the learner, each with the edit that takes it away and the tests that miss it."""

from __future__ import annotations

from typing import NamedTuple

STORAGE = "olearn_core.storage"
LEARNING = "olearn_core.learning"
FENCING = "tests/learning/test_fencing.py"
SAFEGUARDS = "tests/learning/test_safeguards.py"

LETTERS = "_insert_dead_letters"
SAVED_LATER = f"""
    async with self._database.write() as connection:
        from olearn_core.storage.saves import {LETTERS}
        await {LETTERS}(connection, [dict(d) for s in kept for d in s.dead_letters])
    return {{"""


class Edit(NamedTuple):
    """
    A change of one function's source, which begins at the left margin.

    :param function: its name, with that of its class
    :param old: must be there, once
    """

    module: str
    function: str
    old: str
    new: str


class Mutation(NamedTuple):
    """
    A safeguard that is taken away.

    :param tests: the smallest part of the suite that has to fail then
    """

    edits: tuple[Edit, ...]
    tests: str


EPOCH = "shards.c.epoch == step.epoch,"
OFFSET = "shards.c.next_offset == step.base_offset,"


def _not_compared(conditions: str) -> tuple[Edit, ...]:
    return (Edit(f"{STORAGE}.saves", "_moved", conditions, ""),)


MUTATIONS = {
    "no compare-and-set": Mutation(
        _not_compared(f"{EPOCH}\n            {OFFSET}"),
        f"{FENCING}::test_an_operator_who_moves_the_offset_wins[sqlite]",
    ),
    "no epoch in the compare-and-set": Mutation(
        _not_compared(EPOCH), f"{FENCING}::test_an_older_owner_cannot_save_and_lets_go[sqlite]"
    ),
    "no offset in the compare-and-set": Mutation(
        _not_compared(OFFSET), f"{FENCING}::test_an_operator_who_moves_the_offset_wins[sqlite]"
    ),
    "a claim keeps the epoch": Mutation(
        (Edit(f"{STORAGE}.shards", "ShardStore.claim", "shards.c.epoch + 1", "shards.c.epoch"),),
        f"{FENCING}::test_an_older_owner_cannot_save_and_lets_go[sqlite]",
    ),
    "who begins need not be the owner": Mutation(
        (
            Edit(
                f"{STORAGE}.shards",
                "ShardStore.begin",
                "shards.c.id == header.id, shards.c.epoch == header.epoch",
                "shards.c.id == header.id",
            ),
        ),
        f"{SAFEGUARDS}::test_who_lost_a_new_partition_cannot_send_its_heir_back[sqlite]",
    ),
    "no pause when partitions are assigned": Mutation(
        (
            Edit(
                "olearn_core.sources.kafka",
                "_Rebalance.on_partitions_assigned",
                "self._consumer.pause(*assigned)",
                "pass",
            ),
        ),
        "tests/sources/test_source_contract.py::test_nothing_is_delivered_before_it_is_asked_for[kafka]",
    ),
    "no look at gaps": Mutation(
        (
            Edit(
                f"{LEARNING}.shards.shard",
                "Shard.continues",
                "return gap[1] <= gap[0] or gap in self.gaps",
                "return True",
            ),
        ),
        "tests/learning/test_continuity.py::test_records_lost_between_two_fetches_of_a_batch_are_read_again[sqlite]",
    ),
    "values are increments": Mutation(
        (Edit("olearn_core.statistics.table", "Statistics.put", "[rows] =", "[rows] +="),),
        "tests/learning/test_checkpoints.py::test_crashes_at_any_moment_and_restarts_change_nothing[sqlite-0]",
    ),
    "dead letters have a transaction of their own": Mutation(
        (
            Edit(
                f"{STORAGE}.saves", "write_saves", "await _insert_dead_letters(", "(lambda *_: 0)("
            ),
            Edit(f"{STORAGE}.shards", "ShardStore.save", "\n    return {", SAVED_LATER),
        ),
        f"{SAFEGUARDS}::test_a_worker_that_dies_after_its_checkpoint_has_left_its_dead_letters[sqlite]",
    ),
    "a COMMIT without an answer counts as failed": Mutation(
        (
            Edit(
                f"{LEARNING}.workers.checkpoint",
                "Checkpointer._was_committed",
                "headers = {",
                "return False\n    headers = {",
            ),
        ),
        f"{FENCING}::test_a_commit_of_unknown_outcome_happens_once[sqlite-0-after]",
    ),
    "a COMMIT without an answer counts as done": Mutation(
        (
            Edit(
                f"{LEARNING}.workers.checkpoint",
                "Checkpointer._was_committed",
                "headers = {",
                "return True\n    headers = {",
            ),
        ),
        f"{FENCING}::test_a_commit_of_unknown_outcome_happens_once[sqlite-0-before]",
    ),
    "what is not saved is kept for a partition's return": Mutation(
        (
            Edit(
                f"{LEARNING}.workers.ownership",
                "Ownership.release",
                "shard.tick is None and not shard.reset",
                "True",
            ),
        ),
        f"{SAFEGUARDS}::test_what_could_not_be_saved_before_losing_a_partition_is_learned_anew[sqlite]",
    ),
}
