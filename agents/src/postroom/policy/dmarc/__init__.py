"""Domain-based Message Authentication, Reporting and Conformance. RFC 9989.

`record` parses policies, `walk` finds them without a suffix list, `evaluation` judges a message.
"""

from postroom.policy.dmarc.evaluation import DmarcResult, DmarcVerdict, evaluate
from postroom.policy.dmarc.record import DmarcRecord, Policy, parse_record
from postroom.policy.dmarc.walk import organizational_domain

__all__ = [
    "DmarcRecord",
    "DmarcResult",
    "DmarcVerdict",
    "Policy",
    "evaluate",
    "organizational_domain",
    "parse_record",
]
