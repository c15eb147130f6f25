"""Sender Policy Framework: may this client send for this domain? RFC 7208.

`record` parses records, `macros` expands them, `evaluation` is check_host() as a generator of lookups.
"""

from postroom.policy.spf.evaluation import check_host, check_sender
from postroom.policy.spf.verdict import Identity, SpfResult, SpfVerdict

__all__ = ["Identity", "SpfResult", "SpfVerdict", "check_host", "check_sender"]
