"""check_host() of SPF. RFC 7208 sections 2.3, 2.4, 4, 5 and 6.

Room rule: one `_Check` holds the limits of a whole evaluation, including includes and redirects (section 4.6.4). After
the resolver's time limit every lookup fails temporarily, which gives temperror here.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from postroom.policy.lookups import Answer, Lookups, LookupStatus, Query, RecordType, ask
from postroom.policy.spf.macros import (
    MacroString,
    SpfSyntaxError,
    expand,
    expand_domain,
    parse_explanation,
    uses,
)
from postroom.policy.spf.record import Directive, SpfRecord, parse_record, spf_texts
from postroom.policy.spf.verdict import Identity, SpfResult, SpfVerdict

MAX_LOOKUPS: Final = 10  # section 4.6.4
MAX_VOID_LOOKUPS: Final = 2
MAX_HOSTS: Final = 10  # of one mx or ptr mechanism
_LONGEST_EXPLANATION: Final = 500

# other characters cannot be in a host name and are never looked up (section 2.3)
_HELO: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_LABEL: Final = re.compile(r"[ -\-/-\[\]-~]{1,63}\Z")  # printable, except dot and backslash

IpAddress: TypeAlias = IPv4Address | IPv6Address


_BY_QUALIFIER: Final = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}


class _Ended(Exception):
    """Ends the whole evaluation with this result."""

    def __init__(self, result: SpfResult, problem: str) -> None:
        super().__init__(problem)
        self.result = result
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Match:
    """The result of one record, the term that decided, and the domain of the explanation."""

    result: SpfResult
    term: str = ""
    domain: str = ""
    explanation: MacroString | None = None
    problem: str = ""


def check_sender(ip: IpAddress, mail_from: str, helo: str, *, receiver: str, now: int) -> Lookups[SpfVerdict]:
    """Check SPF for an SMTP transaction: the reverse-path, or the HELO name if that is null (section 2.4).

    `mail_from`: `local@domain`, or empty for the null reverse-path. `now`: seconds since the epoch, only used by
    explanations. `receiver`: our host name.
    """
    if mail_from:
        domain = mail_from.rpartition("@")[2]
        return check_host(ip, domain, mail_from, helo, receiver=receiver, now=now)
    if not _HELO.match(helo):
        return _unnamed(helo)
    return check_host(ip, helo, "", helo, receiver=receiver, now=now, identity=Identity.HELO)


def _unnamed(helo: str) -> Lookups[SpfVerdict]:
    yield from ()
    return SpfVerdict(SpfResult.NONE, helo, Identity.HELO, f"postmaster@{helo}", problem="HELO names no host")


def check_host(  # noqa: PLR0913 - the arguments of RFC 7208 section 4.1
    ip: IpAddress,
    domain: str,
    sender: str,
    helo: str,
    *,
    receiver: str,
    now: int,
    identity: Identity = Identity.MAIL_FROM,
) -> Lookups[SpfVerdict]:
    """Run check_host() of RFC 7208 section 4: may `ip` send for `domain`?

    `sender`: the identity as an address; `postmaster` replaces a missing local part (section 4.3).
    """
    name = domain.lower().removesuffix(".")
    local, at, of = sender.rpartition("@")
    sender = f"{local or 'postmaster'}@{of if at else sender or name}"
    check = _Check(ip, sender, helo, receiver, now)
    explanation = ""
    try:
        match = yield from check.judge(name)
        if match.result is SpfResult.FAIL and match.explanation is not None:
            explanation = yield from check.explained(match.explanation, match.domain)
    except _Ended as end:
        match = _Match(end.result, problem=end.problem)
    return SpfVerdict(match.result, name, identity, sender, match.term, explanation, match.problem)


def is_domain(name: str) -> bool:
    """Return whether a name can be looked up: at least two labels of 1 to 63 printable characters."""
    labels = name.split(".")
    return len(labels) > 1 and len(name) <= 253 and all(map(_LABEL.match, labels))


class _Check:
    """One evaluation with its facts and its remaining limits."""

    def __init__(self, ip: IpAddress, sender: str, helo: str, receiver: str, now: int) -> None:
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        self.ip: IpAddress = mapped or ip
        self.lookups = 0
        self.voids = 0
        self._address_type = RecordType.A if self.ip.version == 4 else RecordType.AAAA
        self._pointer: Answer | None = None
        self._validated: tuple[str, ...] = ()
        local, _, of = sender.rpartition("@")
        self._facts = {
            "s": sender,
            "l": local,
            "o": of,
            "i": _dotted(self.ip),
            "v": "in-addr" if self.ip.version == 4 else "ip6",
            "h": helo,
            "c": str(self.ip),
            "r": receiver or "unknown",
            "t": str(now),
        }

    def judge(self, domain: str) -> Lookups[_Match]:
        """Run check_host() for one domain. include and redirect call it again, as deep as the limits allow."""
        if not is_domain(domain):
            return _Match(SpfResult.NONE, problem="not a full domain name")
        record = yield from self._fetch(domain)
        if record is None:
            return _Match(SpfResult.NONE, problem="no SPF record")
        for directive in record.directives:
            if (yield from self._matches(directive, domain)):
                result = _BY_QUALIFIER[directive.qualifier]
                return _Match(result, directive.text, domain, record.explanation)
        if record.redirect is None:
            return _Match(SpfResult.NEUTRAL, "default")
        self._count_lookup()
        target = yield from self._target(record.redirect, domain)
        match = yield from self.judge(target)
        if match.result is SpfResult.NONE:
            raise _Ended(SpfResult.PERMERROR, f"redirect to {target[:80]}: {match.problem}")
        return match

    def explained(self, tokens: MacroString, domain: str) -> Lookups[str]:
        """Return the explanation of a fail, or "" if there is no usable one (section 6.2)."""
        try:
            name = yield from self._target(tokens, domain)
            if not is_domain(name):
                return ""
            answer = yield from ask(name, RecordType.TXT)
            if answer.status is not LookupStatus.FOUND or len(answer.texts) != 1:
                return ""
            words = parse_explanation(answer.texts[0].decode("ascii"))
            facts = yield from self._facts_for(words, domain)
        except (ValueError, _Ended):
            return ""
        text = expand(words, facts)
        return text[:_LONGEST_EXPLANATION] if text.isascii() and text.isprintable() else ""

    def _fetch(self, domain: str) -> Lookups[SpfRecord | None]:
        answer = yield from ask(domain, RecordType.TXT)
        if answer.status is LookupStatus.TEMPORARY:
            raise _Ended(SpfResult.TEMPERROR, f"DNS failure for {domain}")
        texts = spf_texts(answer.texts)
        if not texts:
            return None
        if len(texts) > 1:
            raise _Ended(SpfResult.PERMERROR, f"more than one SPF record at {domain}")
        try:
            return parse_record(texts[0])
        except SpfSyntaxError as mistake:
            raise _Ended(SpfResult.PERMERROR, f"{domain}: {mistake}") from None

    def _matches(self, directive: Directive, domain: str) -> Lookups[bool]:
        mechanism = directive.mechanism
        if mechanism == "all":
            return True
        if directive.network is not None:
            return self.ip in directive.network
        self._count_lookup()
        target = domain
        if directive.domain is not None:
            target = yield from self._target(directive.domain, domain)
        if mechanism == "include":
            return (yield from self._includes(target))
        if not is_domain(target):
            return False  # section 4.8 leaves it open: a name that cannot be looked up matches nothing
        match mechanism:
            case "a":
                answers = yield from self._ask((target,), self._address_type)
                return self._holds(answers, directive)
            case "mx":
                return (yield from self._mx(target, directive))
            case "exists":
                answers = yield from self._ask((target,), RecordType.A)
                self._count_void(answers[0])
                return bool(self._found(answers[0]).names)
            case _:
                names = yield from self._validated_names()
                return any(_within(name, target) for name in names)

    def _includes(self, target: str) -> Lookups[bool]:
        match = yield from self.judge(target)
        if match.result is SpfResult.NONE:
            raise _Ended(SpfResult.PERMERROR, f"include of {target[:80]}: {match.problem}")
        return match.result is SpfResult.PASS

    def _mx(self, target: str, directive: Directive) -> Lookups[bool]:
        answers = yield from self._ask((target,), RecordType.MX)
        self._count_void(answers[0])
        exchanges = self._found(answers[0]).exchanges
        if len(exchanges) > MAX_HOSTS:
            raise _Ended(SpfResult.PERMERROR, f"more than {MAX_HOSTS} MX hosts at {target}")
        hosts = [mx.host for mx in exchanges if is_domain(mx.host)]
        if not hosts:
            return False
        answers = yield from self._ask(hosts, self._address_type)
        return self._holds(answers, directive)

    def _validated_names(self) -> Lookups[tuple[str, ...]]:
        """Return the client's names that point back to it (section 5.5), looked up once per evaluation."""
        if self._pointer is None:
            self._pointer = yield from ask(self.ip.reverse_pointer, RecordType.PTR)
            names = [name.lower().removesuffix(".") for name in self._pointer.names[:MAX_HOSTS]]
            names = [name for name in names if is_domain(name)]
            answers = (yield from self._ask(names, self._address_type)) if names else ()
            # The client chooses its names, so their missing records do not count against the domain's void lookups.
            self._validated = tuple(
                name for name, found in zip(names, answers, strict=True) if self.ip in _addresses(found)
            )
        self._count_void(self._pointer)
        return self._validated

    def _holds(self, answers: Iterable[Answer], directive: Directive) -> bool:
        """Return whether the client is among the addresses, by the directive's prefix length."""
        shift = 32 - directive.cidr4 if self.ip.version == 4 else 128 - directive.cidr6
        client = int(self.ip) >> shift
        for answer in answers:
            addresses = _addresses(self._found(answer))
            if any(int(one) >> shift == client for one in addresses if one.version == self.ip.version):
                return True
            self._count_void(answer)
        return False

    def _target(self, tokens: MacroString, domain: str) -> Lookups[str]:
        facts = yield from self._facts_for(tokens, domain)
        return expand_domain(tokens, facts).lower()

    def _facts_for(self, tokens: MacroString, domain: str) -> Lookups[dict[str, str]]:
        facts = {**self._facts, "d": domain}
        if uses(tokens, "p"):
            self._count_lookup()
            names = yield from self._validated_names()
            facts["p"] = _best_name(names, domain)
        return facts

    def _ask(self, names: Iterable[str], record_type: RecordType) -> Lookups[tuple[Answer, ...]]:
        return (yield tuple(Query(name, record_type) for name in names))

    def _found(self, answer: Answer) -> Answer:
        if answer.status is LookupStatus.TEMPORARY:
            raise _Ended(SpfResult.TEMPERROR, "DNS failure for a term of the record")
        return answer

    def _count_lookup(self) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _Ended(SpfResult.PERMERROR, f"more than {MAX_LOOKUPS} terms that need DNS")

    def _count_void(self, answer: Answer) -> None:
        self.voids += answer.void
        if self.voids > MAX_VOID_LOOKUPS:
            raise _Ended(SpfResult.PERMERROR, f"more than {MAX_VOID_LOOKUPS} void look-ups")


def _dotted(ip: IpAddress) -> str:
    """Return the address in the form of the i macro: dotted quad, or 32 dotted nibbles (section 7.3)."""
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032x}")


def _addresses(answer: Answer) -> list[IpAddress]:
    found: list[IpAddress] = []
    for text in answer.names:
        with suppress(ValueError):
            found.append(ip_address(text))
    return found


def _within(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)


def _best_name(names: tuple[str, ...], domain: str) -> str:
    """Return the p macro: the domain itself, a name below it, or any name (section 7.3)."""
    if domain in names:
        return domain
    below = (name for name in names if name.endswith("." + domain))
    return next(below, names[0] if names else "unknown")
