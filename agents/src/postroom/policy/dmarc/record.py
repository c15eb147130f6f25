"""DMARC policy records. RFC 9989 sections 4.7 and 4.8.

Room rule: lenient. An unknown or wrong value is replaced by its default; only the version must be right.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

# The value must be DMARC1 in capitals, but the tag's name is any "v" (RFC 9989 section 4.7, RFC 5234 section 2.3).
_VERSION: Final = re.compile(r"[ \t]*[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-+\--~]+\Z")


class Policy(StrEnum):
    """What the domain's owner asks for (section 4.7, tag p), and what is done with a message."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One policy record. `p`, `sp`, `np` are None if the tag is missing; `usable` says whether the record counts.

    A record with a wrong or missing policy tag counts as p=none if it names an address for reports, and is ignored
    otherwise (section 4.10.1).
    """

    p: Policy | None = None
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    public_suffix: str = "u"
    testing: bool = False
    reports_to: tuple[str, ...] = ()
    failures_to: tuple[str, ...] = ()
    usable: bool = True

    def policy(self, *, subdomain: bool, exists: bool) -> Policy:
        """Return the policy for the domain itself or for a name below it (section 4.10.1)."""
        if not subdomain:
            return self.p or Policy.NONE
        if not exists and self.np is not None:
            return self.np
        return self.sp or self.p or Policy.NONE


@lru_cache(maxsize=1024)
def parse_record(text: bytes) -> DmarcRecord | None:
    """Parse a TXT record. Return None if it is not a DMARC record (sections 4.7 and 4.8)."""
    words = text.decode("utf-8", "replace")
    if not _VERSION.match(words):
        return None
    tags: dict[str, str] = {}
    for part in words.split(";")[1:]:
        name, _, value = part.partition("=")
        tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    policies, broken = _policies(tags)
    reports = _uris(tags.get("rua", ""))
    if broken or policies["p"] is None:
        # Section 4.10.1: an unreadable policy only asks for reports.
        policies = {"p": Policy.NONE, "sp": None, "np": None}
        usable = bool(reports)
    else:
        usable = True
    return DmarcRecord(
        p=policies["p"],
        sp=policies["sp"],
        np=policies["np"],
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        public_suffix=value if (value := tags.get("psd", "").lower()) in ("y", "n") else "u",
        testing=tags.get("t", "").lower() == "y",
        reports_to=reports,
        failures_to=_uris(tags.get("ruf", "")),
        usable=usable,
    )


def _policies(tags: dict[str, str]) -> tuple[dict[str, Policy | None], bool]:
    found: dict[str, Policy | None] = {}
    broken = False
    for name in ("p", "sp", "np"):
        try:
            found[name] = Policy(tags[name].lower()) if name in tags else None
        except ValueError:
            found[name], broken = None, True
    return found, broken


def _uris(text: str) -> tuple[str, ...]:
    """Return the valid URIs of a list. An obsolete size after `!` is dropped (section 4.8)."""
    uris = (uri.strip(" \t").partition("!")[0] for uri in text.split(","))
    return tuple(uri for uri in uris if _URI.match(uri))
