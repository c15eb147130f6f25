"""Replies, and how each error of the closed list is refused. RFC 3501 section 7.1, RFC 5530.

Room rule: the table is complete (a test compares it with the list of errors) and reveals nothing internal.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from postroom.contracts import errors
from postroom.contracts.account import MOST_KEYWORDS


class Bye(Exception):
    """Ends the session with these words to the client."""


class TaggedReply(msgspec.Struct, frozen=True):
    """A tagged reply without its tag. An empty `text` becomes `<command> completed`."""

    condition: bytes = b"OK"
    text: bytes = b""
    code: bytes = b""


def no(text: bytes, code: bytes = b"") -> TaggedReply:
    """Return the reply to a command that failed."""
    return TaggedReply(b"NO", text, code)


def bad(text: bytes) -> TaggedReply:
    """Return the reply to a command that cannot be carried out as it was written."""
    return TaggedReply(b"BAD", text)


READ_ONLY: Final = no(b"Mailbox is open for reading only")
GONE: Final = no(b"Some of the messages no longer exist", b"EXPUNGEISSUED")
SEARCHED_PAST_GONE: Final = TaggedReply(b"OK", b"Expunged messages were left out", b"EXPUNGEISSUED")
LOST: Final = no(b"Some of the messages cannot be read, the log says which", b"CORRUPTION")
FAULT: Final = no(b"Internal error, the log says which", b"SERVERBUG")  # RFC 5530 section 3
_NOT_HERE: Final = no(b"Not possible here", b"CANNOT")

REFUSALS: Final[Mapping[type[errors.MailError], TaggedReply]] = {
    errors.NoSuchRecipient: _NOT_HERE,
    errors.RecipientDisabled: _NOT_HERE,
    errors.NotOurDomain: _NOT_HERE,
    errors.RecipientOverQuota: no(b"Mailbox is full", b"OVERQUOTA"),
    errors.TooManyRecipients: no(b"Too many at a time", b"LIMIT"),
    errors.MessageTooLarge: no(b"Message too large", b"TOOBIG"),
    errors.MessageMalformed: no(b"Message is malformed", b"CANNOT"),
    errors.MailLoop: _NOT_HERE,
    errors.PolicyRefused: no(b"Refused by policy", b"NOPERM"),
    errors.SenderNotOwned: no(b"Not permitted", b"NOPERM"),
    errors.SenderOverLimit: no(b"Limit reached, try again later", b"LIMIT"),
    errors.NoSuchMailbox: no(b"No such mailbox", b"NONEXISTENT"),
    errors.MailboxExists: no(b"Mailbox exists already", b"ALREADYEXISTS"),
    errors.MailboxNameInvalid: no(b"Mailbox name is not usable", b"CANNOT"),
    errors.MailboxNotSelectable: no(b"Mailbox cannot be selected", b"CANNOT"),
    errors.MailboxNotDeletable: no(b"Mailbox cannot be deleted", b"CANNOT"),
    errors.MailboxInUse: no(b"Mailbox is in use, try again later", b"INUSE"),
    errors.MessageGone: GONE,
    errors.MessageLost: LOST,
    errors.QuotaExceeded: no(b"No room left in the mailbox", b"OVERQUOTA"),
    errors.TooManyKeywords: no(b"At most %d keywords in one mailbox" % MOST_KEYWORDS, b"LIMIT"),
    errors.LoginRefused: no(b"Authentication failed", b"AUTHENTICATIONFAILED"),
    errors.LoginThrottled: no(b"Too many failed logins, try again later", b"LIMIT"),
    errors.Unavailable: no(b"Temporarily not available, try again later", b"UNAVAILABLE"),
    errors.StorageFull: no(b"No room for it now, try again later", b"UNAVAILABLE"),
}
_GENERAL: Final = no(b"Not possible", b"CANNOT")


def reply_to(error: errors.MailError) -> TaggedReply:
    """Return the reply for an error; one outside the table counts as unavailable or as not possible."""
    general = REFUSALS[errors.Unavailable] if error.temporary else _GENERAL
    return errors.nearest(REFUSALS, error) or general
