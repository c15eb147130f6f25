"""DMARC evaluation: is the domain that the reader sees authenticated? RFC 9989.

No suffix list: organizational domains are found by walking up the DNS tree (section 4.10). Records are parsed as
leniently as section 4.8 says: an unknown or wrong value is replaced by its default.

Room rule: nothing that a sender controls may turn a failure into a temporary one. A DNS failure counts only below the
author's own organizational domain.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from postroom.mail.headermailboxes import Author
from postroom.policy.dkim import DkimResult, DkimVerdict
from postroom.policy.dmarc.record import DmarcRecord, Policy
from postroom.policy.dmarc.walk import DnsFailure, TreeWalk, organizational_of
from postroom.policy.lookups import Lookups, LookupStatus, Query, RecordType
from postroom.policy.spf import SpfResult, SpfVerdict

MAX_IDENTIFIERS: Final = 9  # SPF and eight signatures
_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\Z")

_TESTED: Final = {
    Policy.NONE: Policy.NONE,
    Policy.QUARANTINE: Policy.NONE,
    Policy.REJECT: Policy.QUARANTINE,
}


class DmarcResult(StrEnum):
    """RFC 8601 section 2.7 and RFC 9989 section 5.3."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """The result, and what to do about it.

    `policy`: what the record asks for. `disposition`: what to do with this message, with t=y taken into account. After
    permerror no record was looked up: a message with several authors is to be rejected, and one without a readable
    author domain quarantined, unless its null sender says that it is a report. After temperror the disposition is none,
    and the caller decides whether to defer (section 5.3.6). `aligned_by`: `spf`, `dkim` or both. `reason`: our own
    text, without foreign text but domain names.
    """

    result: DmarcResult
    author_domain: str = ""
    policy_domain: str = ""
    policy: Policy = Policy.NONE
    disposition: Policy = Policy.NONE
    testing: bool = False
    aligned_by: tuple[str, ...] = ()
    reason: str = ""


def evaluate(author: Author, spf: SpfVerdict | None, dkim: Sequence[DkimVerdict]) -> Lookups[DmarcVerdict]:
    """Judge a message by its author, its SPF verdict and its DKIM verdicts (sections 4.10 and 5.3).

    Only an SPF pass and valid signatures count.
    """
    domain, unreadable = _author_domain(author)
    if unreadable is not None:
        return unreadable
    walk = TreeWalk()
    try:
        return (yield from _judge(walk, domain, spf, dkim))
    except DnsFailure as failure:
        return DmarcVerdict(DmarcResult.TEMPERROR, domain, reason=str(failure))


def _judge(
    walk: TreeWalk, domain: str, spf: SpfVerdict | None, dkim: Sequence[DkimVerdict]
) -> Lookups[DmarcVerdict]:
    policy_domain, record = yield from _discover(walk, domain)
    if record is None or not record.usable:
        return DmarcVerdict(DmarcResult.NONE, domain, reason="no policy published")
    subdomain = policy_domain != domain
    exists = True
    if subdomain and record.np is not None:
        exists = yield from _exists(domain)
    policy = record.policy(subdomain=subdomain, exists=exists)
    verdict = DmarcVerdict(
        DmarcResult.PASS, domain, policy_domain, policy, Policy.NONE, testing=record.testing
    )
    try:
        aligned, undecided = yield from _aligned(walk, domain, _identifiers(spf, dkim, record))
    except DnsFailure as failure:
        return replace(verdict, result=DmarcResult.TEMPERROR, reason=str(failure))
    if aligned:
        return replace(verdict, aligned_by=aligned)
    if undecided:
        return replace(verdict, result=DmarcResult.TEMPERROR, reason="DNS failure in SPF or DKIM")
    disposition = _TESTED[policy] if record.testing else policy
    return replace(
        verdict, result=DmarcResult.FAIL, disposition=disposition, reason="nothing that passed is aligned"
    )


def _discover(walk: TreeWalk, domain: str) -> Lookups[tuple[str, DmarcRecord | None]]:
    """Return the record that applies: of the domain, of its organizational domain, or of its public suffix (4.10.1)."""
    own = yield from walk.record(domain)
    if own is not None:
        return domain, own
    found = yield from walk.records(domain)
    if not found:
        return domain, None
    by_name = dict(found)
    organizational = organizational_of(domain, found)
    if organizational in by_name:
        return organizational, by_name[organizational]
    return found[-1]


def _exists(domain: str) -> Lookups[bool]:
    """Return whether the domain exists. Section 3.2.13: one without A, AAAA and MX records does not."""
    types = (RecordType.A, RecordType.AAAA, RecordType.MX)
    answers = yield tuple(Query(domain, one) for one in types)
    if any(answer.status is LookupStatus.FOUND for answer in answers):
        return True
    if any(answer.status is LookupStatus.TEMPORARY for answer in answers):
        raise DnsFailure(f"DNS failure for {domain}")
    return False


@dataclass(frozen=True, slots=True)
class _Identifier:
    """A domain that SPF or DKIM has checked. `passed` is False if DNS left it open."""

    method: str
    domain: str
    strict: bool
    passed: bool


def _identifiers(
    spf: SpfVerdict | None, dkim: Sequence[DkimVerdict], record: DmarcRecord
) -> list[_Identifier]:
    found: dict[_Identifier, None] = {}
    if spf is not None and spf.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        found[_Identifier("spf", spf.domain, record.strict_spf, spf.result is SpfResult.PASS)] = None
    for one in dkim:
        if one.result in (DkimResult.PASS, DkimResult.TEMPERROR):
            passed = one.result is DkimResult.PASS
            found[_Identifier("dkim", one.domain, record.strict_dkim, passed)] = None
    return list(found)[:MAX_IDENTIFIERS]


def _aligned(
    walk: TreeWalk, domain: str, identifiers: Sequence[_Identifier]
) -> Lookups[tuple[tuple[str, ...], bool]]:
    """Return the methods with an aligned identifier that passed, and whether one is left open (section 4.4)."""
    aligned = [one for one in identifiers if one.domain == domain]
    others = [one for one in identifiers if one.domain != domain and not one.strict]
    if others and not any(one.passed for one in aligned):
        organization = yield from walk.organizational(domain)
        for one in others:
            # An organizational domain is the name itself or above it, so a name elsewhere needs no walk, and the
            # owner of such a name gains nothing from a name server that does not answer.
            if not f".{one.domain}".endswith("." + organization):
                continue
            if (yield from walk.organizational(one.domain)) == organization:
                aligned.append(one)
    methods = {one.method for one in aligned if one.passed}
    return tuple(method for method in ("spf", "dkim") if method in methods), bool(aligned)


def _author_domain(author: Author) -> tuple[str, DmarcVerdict | None]:
    """Return the author domain in A-label form, or the verdict if there is not exactly one (section 5.3.1)."""
    if author.fields > 1:
        return "", _no_author("more than one From field", Policy.REJECT)
    if author.malformed:
        return "", _no_author(f"malformed From field: {author.malformed}", Policy.REJECT)
    if len(author.domains) > 1:
        return "", _no_author("From field with more than one domain", Policy.REJECT)
    if author.fields == 0:
        return "", _no_author("no From field", Policy.QUARANTINE)
    if not author.mailboxes:
        return "", _no_author("From field without an address", Policy.QUARANTINE)
    domain = _a_labels(author.domains[0])
    if not domain:
        return "", _no_author("From field without a domain name", Policy.QUARANTINE)
    return domain, None


def _no_author(reason: str, disposition: Policy) -> DmarcVerdict:
    return DmarcVerdict(DmarcResult.PERMERROR, disposition=disposition, reason=reason)


def _a_labels(name: str) -> str:
    """Return a domain name in lower case and A-label form, or "" if it is not one."""
    name = name.removesuffix(".")
    if len(name) > 253:
        return ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    return name if len(name) <= 253 and _DOMAIN.match(name) else ""
