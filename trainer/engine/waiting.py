"""How torch's threads wait for each other on the CPU. Standard library only, to be used before torch."""

from __future__ import annotations

import os

#: Turns that a waiting thread of GNU's OpenMP spins before it sleeps.
SPINS = "3000"


def spin_briefly() -> None:
    """Let OpenMP's threads sleep soon while they wait; it counts if torch is not imported yet.

    By default they spin for milliseconds. On a machine of few cores that does anything else
    besides, they spin in the way of the thread that they wait for: steps of a small model took 2 to
    10 times as long. A few thousand turns cost nothing to speak of on idle cores, where sleeping
    at once (`OMP_WAIT_POLICY=PASSIVE`) made the same steps a third slower. What a person has set
    stands, and processes that this one starts inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
