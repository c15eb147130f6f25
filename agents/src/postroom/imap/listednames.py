"""The names that LIST and LSUB answer with, and their attributes. RFC 3501, RFC 3348, RFC 5258, RFC 6154.

Room rule: mailboxes and subscriptions in, lines out; nothing here asks the store.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from postroom.contracts.account import Mailbox
from postroom.wire.imap.listing import List, Lsub, list_line
from postroom.wire.imap.patterns import matcher

SUBSCRIBED: Final = b"SUBSCRIBED"
SPECIAL_USE: Final = b"SPECIAL-USE"
RECURSIVE: Final = b"RECURSIVEMATCH"


class Listed(msgspec.Struct, frozen=True):
    """One name of the answer."""

    name: str
    line: bytes
    selectable: bool


def list_names(
    command: List, mailboxes: Sequence[Mailbox], subscriptions: frozenset[str]
) -> Iterator[Listed]:
    """Yield what LIST asks for, in the order of the mailboxes; subscribed names without a mailbox come last."""
    tree = _Tree(mailboxes, subscriptions)
    matches = _any(command.reference + pattern for pattern in command.patterns)
    selection = command.selection
    chosen = _chosen(tree, selection)
    shown = {name for name in chosen if matches(name)}
    children: set[str] = set()
    if RECURSIVE in selection:
        # CHILDINFO stands for selected children that the answer does not show (RFC 5258 section 3.5).
        children = {parent for name in chosen - shown for parent in parents(name) if matches(parent)}
        shown |= children
    with_subscribed = SUBSCRIBED in selection or SUBSCRIBED in command.returns
    kinds = b" ".join(b'"%b"' % kind for kind in (SUBSCRIBED, SPECIAL_USE) if kind in selection)
    for name in tree.ordered(shown):
        extended = b'("CHILDINFO" (%b))' % kinds if name in children else b""
        attributes = tree.attributes(name, with_subscribed)
        line = list_line(b"LIST", attributes, name, extended)
        yield Listed(name, line, tree.selectable(name))


def lsub_names(command: Lsub, subscriptions: frozenset[str]) -> Iterator[bytes]:
    """Yield what LSUB asks for. A parent at which `%` stops is \\Noselect (RFC 3501 section 6.3.9)."""
    if command.pattern is None:
        return
    pattern = command.reference + command.pattern
    matches = matcher(pattern)
    names = {name: (b"",) for name in subscriptions if matches(name)}
    if "%" in pattern:
        above = {parent for name in subscriptions - names.keys() for parent in parents(name)}
        names |= {name: (b"\\Noselect",) for name in above - names.keys() if matches(name)}
    for name in sorted(names):
        yield list_line(b"LSUB", filter(None, names[name]), name)


def parents(name: str) -> Iterator[str]:
    """Yield the names above a name, the nearest last."""
    slash = name.find("/")
    while slash > 0:
        yield name[:slash]
        slash = name.find("/", slash + 1)


def _any(patterns: Iterable[str]) -> Callable[[str], bool]:
    matchers = [matcher(pattern) for pattern in dict.fromkeys(patterns)]
    if len(matchers) == 1:
        return matchers[0]
    return lambda name: any(matches(name) for matches in matchers)


def _chosen(tree: "_Tree", selection: frozenset[bytes]) -> set[str]:
    chosen = set(tree.subscriptions) if SUBSCRIBED in selection else set(tree.known)
    if SPECIAL_USE in selection:
        chosen &= {name for name, mailbox in tree.known.items() if mailbox.special_use}
    return chosen


class _Tree:
    def __init__(self, mailboxes: Sequence[Mailbox], subscriptions: frozenset[str]) -> None:
        self.known = {mailbox.name: mailbox for mailbox in mailboxes}
        self.subscriptions = subscriptions
        self._parents = {parent for name in self.known for parent in parents(name)}

    def ordered(self, names: set[str]) -> list[str]:
        known = [name for name in self.known if name in names]
        return known + sorted(names - self.known.keys())

    def selectable(self, name: str) -> bool:
        mailbox = self.known.get(name)
        return mailbox is not None and mailbox.selectable

    def attributes(self, name: str, with_subscribed: bool) -> list[bytes]:
        mailbox = self.known.get(name)
        found = []
        if mailbox is None:
            found.append(b"\\NonExistent")
        elif not mailbox.selectable:
            found.append(b"\\Noselect")
        found.append(b"\\HasChildren" if name in self._parents else b"\\HasNoChildren")
        if with_subscribed and name in self.subscriptions:
            found.append(b"\\Subscribed")
        if mailbox is not None and mailbox.special_use:
            found.append(mailbox.special_use.encode("ascii"))
        return found
