"""Every reason for which a mail agent may refuse, as one closed list.

Errors say what happened; each protocol has one table that says it in its own words, and a test demands
that the table is complete.

MailError
├── RecipientError
│   ├── NoSuchRecipient       unknown address in one of our domains
│   ├── RecipientDisabled     account is disabled
│   ├── NotOurDomain          relaying refused
│   ├── RecipientOverQuota    mailbox full (temporary: it may be emptied)
│   └── TooManyRecipients     (temporary: the rest goes in another transaction)
├── MessageError
│   ├── MessageTooLarge
│   ├── MessageMalformed      bare CR, LF or NUL, bad header
│   ├── MailLoop              too many hops
│   └── PolicyRefused         DMARC and the like; carries words for the reply
├── SenderError
│   ├── SenderNotOwned        envelope or From is not the login's
│   └── SenderOverLimit       (temporary)
├── MailboxError
│   ├── NoSuchMailbox  MailboxExists  MailboxNameInvalid  MailboxNotSelectable  MailboxNotDeletable
│   ├── MailboxInUse          (temporary) exclusive maildrop is locked
│   ├── MessageGone           expunged meanwhile
│   ├── MessageLost           its octets cannot be read; the operator has to act
│   ├── QuotaExceeded         APPEND, COPY, MOVE over quota
│   └── TooManyKeywords       a mailbox has as many as it may
├── LoginError
│   ├── LoginRefused          wrong name or password, or a disabled account: one answer for all
│   └── LoginThrottled        (temporary) too many failures
└── Unavailable               (temporary) disk full, or directory, store, auth or DNS do not answer
"""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

T = TypeVar("T")


class MailError(Exception):
    """Root of all refusals. `temporary`: the same request may work later."""

    temporary: ClassVar[bool] = False


class RecipientError(MailError):
    """One recipient is refused."""


class NoSuchRecipient(RecipientError):
    """Nobody has this address in a domain that is ours."""


class RecipientDisabled(RecipientError):
    """The account exists but is disabled."""


class NotOurDomain(RecipientError):
    """The domain is not ours and the client may not relay."""


class RecipientOverQuota(RecipientError):
    """The mailbox is full."""

    temporary = True


class TooManyRecipients(RecipientError):
    """The transaction holds as many recipients as it may."""

    temporary = True


class MessageError(MailError):
    """The message itself is refused."""


class MessageTooLarge(MessageError):
    """Over the announced SIZE."""


class MessageMalformed(MessageError):
    """Bare CR, bare LF, NUL, or a header block that no reader could agree on."""


class MailLoop(MessageError):
    """More Received fields than a sane path has."""


class PolicyRefused(MessageError):
    """A policy says no; the argument is printable ASCII for the reply."""


class SenderError(MailError):
    """The sender is refused."""


class SenderNotOwned(SenderError):
    """Envelope or header sender does not belong to the login."""


class SenderOverLimit(SenderError):
    """The account has reached its sending limit."""

    temporary = True


class MailboxError(MailError):
    """A mailbox operation is refused."""


class NoSuchMailbox(MailboxError):
    """No mailbox has this name."""


class MailboxExists(MailboxError):
    """The name is taken."""


class MailboxNameInvalid(MailboxError):
    """The name is empty, too long, or holds characters that names may not hold."""


class MailboxNotSelectable(MailboxError):
    """The name is only a parent of other mailboxes."""


class MailboxNotDeletable(MailboxError):
    """INBOX, or a name that has children and no mailbox of its own."""


class MailboxInUse(MailboxError):
    """Another session holds the maildrop."""

    temporary = True


class MessageGone(MailboxError):
    """The message was expunged by another session."""


class MessageLost(MailboxError):
    """The message exists but its octets cannot be read; the argument names it, for the log."""


class QuotaExceeded(MailboxError):
    """The account has no room for it."""


class TooManyKeywords(MailboxError):
    """The mailbox has as many keywords in use as it may."""


class LoginError(MailError):
    """Authentication did not succeed."""


class LoginRefused(LoginError):
    """Wrong name, wrong password or a disabled account; no reply tells which."""


class LoginThrottled(LoginError):
    """Too many recent failures: even the right password is not tried now."""

    temporary = True


class Unavailable(MailError):
    """Something that we need does not answer: disk, directory, store, auth agent or DNS."""

    temporary = True


class StorageFull(Unavailable):
    """The disk has no room for it now."""


def nearest(table: Mapping[type[MailError], T], error: MailError) -> T | None:
    """Return the table's entry for the class of the error, or else for its closest ancestor; None without any."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)
