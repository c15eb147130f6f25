"""The results of SPF. RFC 7208 section 2.6."""

from dataclasses import dataclass
from enum import StrEnum


class SpfResult(StrEnum):
    """RFC 7208 section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(StrEnum):
    """Which identity was checked (RFC 7208 sections 2.3 and 2.4)."""

    MAIL_FROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """The SPF result for one client and identity.

    `domain`: the domain that was checked, in lower case. `mechanism`: the term that decided, as published, or empty.
    `explanation`: the domain owner's text for a fail, ASCII, foreign text. `problem`: why the result is none, temperror
    or permerror.
    """

    result: SpfResult
    domain: str
    identity: Identity = Identity.MAIL_FROM
    sender: str = ""
    mechanism: str = ""
    explanation: str = ""
    problem: str = ""
