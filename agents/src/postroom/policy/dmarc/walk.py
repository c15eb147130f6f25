"""The DNS tree walk of DMARC. RFC 9989 section 4.10.

Room rule: at most eight names per walk, looked up together. A failed lookup affects only a walk that reaches it.
"""

from collections.abc import Sequence
from typing import Final

from postroom.policy.dmarc.record import DmarcRecord, parse_record
from postroom.policy.lookups import Answer, Lookups, LookupStatus, Query, RecordType

_WALK_LABELS: Final = 7  # section 4.10 step 4: a longer name continues with seven labels


class DnsFailure(Exception):
    """A lookup that the result depends on failed."""


class TreeWalk:
    """Tree walks that share their lookups."""

    def __init__(self) -> None:
        self._seen: dict[str, Answer] = {}

    def record(self, domain: str) -> Lookups[DmarcRecord | None]:
        """Return the one record at a name, if there is exactly one."""
        yield from self._fetch((domain,))
        return _only_record(domain, self._seen[domain])

    def records(self, domain: str) -> Lookups[list[tuple[str, DmarcRecord]]]:
        """Return the records of a walk from the longest name, up to the first that has psd=y or psd=n."""
        steps = _steps(domain)
        yield from self._fetch(steps)
        found: list[tuple[str, DmarcRecord]] = []
        for name in steps:
            record = _only_record(name, self._seen[name])
            if record is not None:
                found.append((name, record))
                if record.public_suffix != "u":
                    break
        return found

    def organizational(self, domain: str) -> Lookups[str]:
        """Return the organizational domain.

        Section 4.10.2: the name with psd=n, the name below one with psd=y, else the shortest.
        """
        found = yield from self.records(domain)
        return organizational_of(domain, found)

    def _fetch(self, names: Sequence[str]) -> Lookups[None]:
        """Look up all names that have not been looked up yet, together."""
        missing = [name for name in names if name not in self._seen]
        if missing:
            answers = yield tuple(Query(f"_dmarc.{name}", RecordType.TXT) for name in missing)
            self._seen.update(zip(missing, answers, strict=True))


def organizational_domain(domain: str) -> Lookups[str]:
    """Return the organizational domain of a name (section 4.10.2); on DNS failure the name itself."""
    try:
        return (yield from TreeWalk().organizational(domain))
    except DnsFailure:
        return domain


def organizational_of(domain: str, found: Sequence[tuple[str, DmarcRecord]]) -> str:
    if not found:
        return domain
    name, last = found[-1]
    if last.public_suffix == "y" and name != domain:
        return ".".join(domain.split(".")[-name.count(".") - 2 :])
    return name


def _steps(domain: str) -> list[str]:
    """Return the names of a tree walk, the domain itself first, at most eight (section 4.10)."""
    labels = domain.split(".")
    first = max(1, len(labels) - _WALK_LABELS)
    return [domain, *(".".join(labels[start:]) for start in range(first, len(labels)))]


def _only_record(name: str, answer: Answer) -> DmarcRecord | None:
    if answer.status is LookupStatus.TEMPORARY:
        raise DnsFailure(f"DNS failure for the policy of {name}")
    records = [record for text in answer.texts if (record := parse_record(text)) is not None]
    return records[0] if len(records) == 1 else None
