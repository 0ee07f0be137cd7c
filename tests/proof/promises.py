"""The promises, in the words of the report."""

from __future__ import annotations

PROMISES = {
    "P1": "Each accepted event changes the model exactly once, whatever crashes.",
    "P2": "A crash at any step of a checkpoint is safe.",
    "P3": "A worker that was frozen and woke up never overwrites its successor.",
    "P4": "A rebalance loses nothing, doubles nothing and reads from no wrong offset.",
    "P5": "Repeats within the window count once; those beyond it are counted and reported.",
    "P6": "Order does not matter: any permutation and any split gives the same integers.",
    "P7": "A bad record stops nobody and never disappears: it is a dead letter, once.",
    "P8": "A broker that is away: nothing lost, no spinning, `degraded` within 5 s,"
    " learning within 10 s of its return.",
    "P9": "A database that is away: memory bounded, answers go on,"
    " a COMMIT of unknown outcome is resolved rightly.",
    "P10": "SIGTERM in mid-batch: ended within 5 s, nothing replayed.",
    "P11": "A restart restores the same model; a version's offsets reproduce it from the log.",
    "P12": "A torn or changed artifact is noticed; the good one before it is used, never nothing.",
    "P13": "Clocks that jump make no weight negative and stall no timer.",
    "P14": "Memory is bounded, whatever names come.",
    "P15": "No tenant sees or moves another's numbers.",
    "P16": "No request that the OpenAPI document allows or forbids finds a fault of the HTTP API.",
    "P17": "What retention or a re-created topic took away is reported, never silent.",
    "P19": "The state of an earlier release loads; that of a newer one is refused.",
    "P20": "No test is skipped, and the broker's tests really ran.",
}
