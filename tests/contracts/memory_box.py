"""One mailbox in memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from postroom.contracts import errors
from postroom.contracts.account import MOST_KEYWORDS, Row
from postroom.mail.flags import keywords


@dataclass
class Box:
    """One mailbox: rows and contents by UID, and when the ones that are gone went."""

    id: int
    name: str
    uidvalidity: int
    special_use: str = ""
    selectable: bool = True
    rows: dict[int, Row] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    uidnext: int = 1
    claimed: int = 0  # UIDs up to here are no longer recent
    modseq: int = 0
    keywords: set[str] = field(default_factory=set)

    @property
    def recent(self) -> frozenset[int]:
        return frozenset(uid for uid in self.rows if uid > self.claimed)

    def claim(self, writable: bool) -> frozenset[int]:
        found = self.recent
        if writable:
            self.claimed = self.uidnext - 1
        return found

    def spelled(self, flags: frozenset[str]) -> frozenset[str]:
        """Keywords as the mailbox has them; one spelling of each."""
        known = {word.lower(): word for word in self.keywords}
        system = {flag for flag in flags if flag.startswith("\\")}
        return frozenset(system.union(known.get(word.lower(), word) for word in keywords(flags)))

    def learn(self, flags: frozenset[str], rows: Iterable[Row]) -> None:
        """Keywords of `flags` are in use from now on, in a mailbox that is to have these rows."""
        known = self.keywords.union(keywords(flags))
        if len(known) > MOST_KEYWORDS:
            known = {word for row in rows for word in keywords(row.flags)}.union(keywords(flags))
        if len(known) > MOST_KEYWORDS:
            raise errors.TooManyKeywords
        self.keywords = known
