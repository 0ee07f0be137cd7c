"""`python -m tests.forged`: what forged outcomes cost, protected and not."""

from __future__ import annotations

import sys

import numpy as np

from tests.forged.world import Protection, World

SEEDS = 24
TASKS = 4_000
CASES = {
    "nothing forged": (Protection(), 0.0),
    "5 % forged": (Protection(), 0.05),
    "5 % forged, most_source_share 0.2": (Protection(share=0.2), 0.05),
    "5 % forged, require_decision_token": (Protection(tokens=True), 0.05),
    "nothing forged, most_source_share 0.2": (Protection(share=0.2), 0.0),
    "20 % forged": (Protection(), 0.20),
    "20 % forged, most_source_share 0.2": (Protection(share=0.2), 0.20),
    "20 % forged, require_decision_token": (Protection(tokens=True), 0.20),
}


def main(seeds: int) -> None:
    for name, (protection, forged) in CASES.items():
        results = [World(seed, protection, forged).run(TASKS) for seed in range(seeds)]
        values = np.array([(r.best_share, r.praised_share, r.reward) for r in results])
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / seeds**0.5
        print(
            f"{name}: best {mean[0]:.3f} ± {error[0]:.3f}, praised {mean[1]:.3f} ± {error[1]:.3f},"
            f" reward {mean[2]:.4f} ± {error[2]:.4f}",
            flush=True,
        )


main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
