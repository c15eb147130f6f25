"""The rank test of Mann and Whitney (Annals of Mathematical Statistics 18, 1947): do two samples come from one source?

By the normal approximation with corrections for ties and continuity, which is good from about 20 samples a side.
"""

import math
from collections import Counter
from collections.abc import Sequence


def likelihood(first: Sequence[float], second: Sequence[float]) -> float:
    """How likely it is, 0 to 1, that samples from one source differ in rank as much as these or more (two-sided)."""
    counts = Counter([*first, *second])
    ranks: dict[float, float] = {}
    below = 0
    for value in sorted(counts):
        ranks[value] = below + (counts[value] + 1) / 2  # equal values share the middle of their ranks
        below += counts[value]
    m, n, all_of_them = len(first), len(second), len(first) + len(second)
    wins = sum(ranks[value] for value in first) - m * (m + 1) / 2
    ties = sum(count**3 - count for count in counts.values()) / (all_of_them * (all_of_them - 1))
    spread = math.sqrt(m * n / 12 * (all_of_them + 1 - ties))
    if not spread:
        return 1.0  # all values are one
    away = max(abs(wins - m * n / 2) - 0.5, 0.0) / spread
    return math.erfc(away / math.sqrt(2))
