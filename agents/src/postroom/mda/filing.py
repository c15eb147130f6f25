"""Decide on the account and the mailbox for one recipient of one message.

Room rule: facts in, decisions out. Intake has already resolved aliases; this module only splits off a detail.
"""

import re
from dataclasses import dataclass
from typing import Final

from postroom.contracts.directory import Account, Directory, Kind
from postroom.contracts.errors import MailLoop, NoSuchRecipient, RecipientDisabled
from postroom.mail.address import Address
from postroom.mail.headers import Field, read_headers
from postroom.policy.authres import VERDICT_FIELD, read_verdict
from postroom.wire.smtp.commands import POSTMASTER

INBOX: Final = "INBOX"
JUNK: Final = "Junk"

_PRIVATE: Final = frozenset({"drafts", "sent", "trash"})  # only their owner puts mail there, never a sender
_VERDICT: Final = VERDICT_FIELD.encode("ascii") + b":"
_STAMP: Final = b"received"
_TRAIL: Final = frozenset({_STAMP, b"delivered-to"})
_MAX_TRAIL: Final = 1000  # more than any of our agents lets pass
_FETCHED: Final = re.compile(rb"[ \t)]with[ \t]++(?:imap|pop)", re.IGNORECASE)
_BY: Final = re.compile(rb"(?:\A|[ \t)])by[ \t]++([A-Za-z0-9.-]++)([ \t]++\(Postroom\))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """An accepted recipient."""

    address: Address
    account: Account
    mailbox: str

    @property
    def key(self) -> str:
        """The key by which a second copy is recognised."""
        return self.address.key


async def find(directory: Directory, address: Address, host_name: str) -> Target:
    """Find the account and the mailbox of an address. Raises NoSuchRecipient, RecipientDisabled, Unavailable."""
    if address == POSTMASTER:
        address = Address("postmaster", host_name)
    mailbox = INBOX
    account = await _account(directory, address)
    if account is None:
        domain = await directory.domain(address.domain)
        person, detail = address.split_detail(domain.separator) if domain else (address, "")
        account = await _account(directory, person) if person is not address else None
        mailbox = detail if detail and detail.lower() not in _PRIVATE else INBOX
    if account is None:
        raise NoSuchRecipient("unknown address")
    if not account.enabled:
        raise RecipientDisabled("account is disabled")
    return Target(address, account, mailbox)


async def _account(directory: Directory, address: Address) -> Account | None:
    entry = await directory.entry(address.key)
    return entry.account if entry and entry.kind is Kind.ACCOUNT else None


def mailbox_for(target: Target, junk: bool) -> str:
    """Return the mailbox's name: Junk if the verdict says so, otherwise the mailbox that the detail names."""
    return JUNK if junk else target.mailbox


def mailbox_text(mailbox: str) -> str:
    """Describe a mailbox for the log: if it does not exist, the store files the message into INBOX."""
    return mailbox if mailbox in (INBOX, JUNK) else f"{mailbox} (INBOX if there is none)"


def head_of(content: bytes) -> bytes:
    """Return the header block without its empty line."""
    if content.startswith(b"\r\n"):
        return b""
    end = content.find(b"\r\n\r\n")
    return content if end < 0 else content[: end + 2]


def is_junk(head: bytes) -> bool:
    """Read our intake's verdict, which is the topmost field; intake has removed all forged ones."""
    at = head.find(_VERDICT)
    if at < 0 or (at and head[at - 2 : at] != b"\r\n"):
        return False
    end = head.find(b"\r\n", at)
    verdict = read_verdict(read_headers(head[at : end + 2] + b"\r\n"))
    return verdict is not None and verdict.junk


def demand_no_loop(head: bytes, address: Address, host_name: str) -> None:
    """Raise MailLoop if this host has already handled the message and filed it for this address.

    A Delivered-To alone proves nothing: mail fetched from an old account carries it too. The Received field of this
    pass does not count; it is topmost, above every Delivered-To. Below a Delivered-To only our own stamp counts,
    since the old account may have been on a host of the same name. A stamp of a program that fetched the message by
    IMAP or POP3 is no sign of a delivery.
    """
    if b"elivered-" not in head and b"ELIVERED-" not in head:
        return
    key = address.key.encode()
    fields = read_headers(head + b"\r\n", max_octets=len(head), max_fields=len(head)).fields
    trail = [field for field in fields if field.key in _TRAIL]
    filed = [index for index, field in enumerate(trail) if _is_filing(field, key)]
    if not filed:
        return
    this_pass = int(trail[0].key == _STAMP and _names(trail[0], host_name))
    for index, field in enumerate(trail[this_pass:_MAX_TRAIL], this_pass):
        if field.key == _STAMP and _names(field, host_name, ours=index > filed[-1]):
            raise MailLoop("delivered here before")


def _is_filing(field: Field, key: bytes) -> bool:
    return field.key == b"delivered-to" and field.value.lower() == key


def _names(received: Field, host_name: str, *, ours: bool = False) -> bool:
    """Tell whether this host wrote a Received field; with `ours`, whether this program on it did."""
    found = _BY.search(received.value)
    if found is None or found[1].decode().lower() != host_name.lower():
        return False
    return bool(found[2]) or not (ours or _FETCHED.search(received.value))


def prefix(sender: Address | None, address: Address) -> bytes:
    """Return the fields that go in front of this recipient's copy. RFC 5321 section 4.4."""
    return f"Return-Path: <{sender or ''}>\r\nDelivered-To: {address}\r\n".encode("ascii")
