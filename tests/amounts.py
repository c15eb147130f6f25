"""How much a test does: a little in every run, much in `make soak`.

SOAK is the one variable for it: absent, tests take their small numbers; SOAK=N takes N times the large ones.
Tests with two numbers carry the marker `soak`, by which `make soak` finds them in every room.
"""

import os

SOAK = int(os.environ.get("SOAK") or 0)


def amount(small: int, large: int) -> int:
    """The number for this run."""
    return large * SOAK if SOAK else small
