"""The SMTP reply to every error. RFC 5321 section 4.2.3, RFC 3463.

Room rule: the table is complete (a test compares it with the list of errors), and reveals nothing internal to a
stranger: no path, no account, no cause.
"""

from collections.abc import Mapping
from typing import Final

from postroom.contracts import errors
from postroom.wire.smtp.replies import Reply

ANSWERS: Final[Mapping[type[errors.MailError], Reply]] = {
    errors.MailError: Reply(554, "5.0.0", "Transaction failed"),
    errors.RecipientError: Reply(550, "5.1.0", "Recipient refused"),
    errors.NoSuchRecipient: Reply(550, "5.1.1", "No such recipient here"),
    errors.RecipientDisabled: Reply(550, "5.2.1", "Mailbox disabled, not accepting messages"),
    errors.NotOurDomain: Reply(550, "5.7.1", "Relaying denied"),
    errors.RecipientOverQuota: Reply(452, "4.2.2", "Mailbox full"),
    errors.TooManyRecipients: Reply(452, "4.5.3", "Too many recipients in one transaction"),
    errors.MessageError: Reply(554, "5.6.0", "Message refused"),
    errors.MessageTooLarge: Reply(552, "5.3.4", "Message size exceeds the limit"),
    errors.MessageMalformed: Reply(554, "5.6.0", "Malformed message"),
    errors.MailLoop: Reply(554, "5.4.6", "Too many hops, mail loop"),
    errors.PolicyRefused: Reply(550, "5.7.1", "Message refused by policy"),
    errors.SenderError: Reply(550, "5.1.0", "Sender refused"),
    errors.SenderNotOwned: Reply(553, "5.7.1", "Sender address does not belong to the login"),
    errors.SenderOverLimit: Reply(450, "4.7.1", "Sending limit reached, try again later"),
    errors.MailboxError: Reply(554, "5.2.0", "Mailbox refuses the message"),
    errors.NoSuchMailbox: Reply(550, "5.1.1", "No such mailbox"),
    errors.MailboxExists: Reply(554, "5.2.0", "Mailbox exists"),
    errors.MailboxNameInvalid: Reply(554, "5.2.0", "Mailbox name not usable"),
    errors.MailboxNotSelectable: Reply(554, "5.2.0", "Mailbox holds no messages"),
    errors.MailboxNotDeletable: Reply(554, "5.2.0", "Mailbox cannot be deleted"),
    errors.MailboxInUse: Reply(450, "4.2.0", "Mailbox busy"),
    errors.MessageGone: Reply(554, "5.2.0", "Message is gone"),
    errors.MessageLost: Reply(554, "5.2.0", "Message cannot be read"),
    errors.QuotaExceeded: Reply(552, "5.2.2", "Mailbox full"),
    errors.TooManyKeywords: Reply(554, "5.2.0", "Too many keywords in the mailbox"),
    errors.LoginError: Reply(535, "5.7.8", "Authentication failed"),
    errors.LoginRefused: Reply(535, "5.7.8", "Authentication credentials invalid"),
    errors.LoginThrottled: Reply(454, "4.7.0", "Too many failures, try again later"),
    errors.Unavailable: Reply(451, "4.3.0", "Service not available, try again later"),
    errors.StorageFull: Reply(452, "4.3.1", "No room for it now, try again later"),
}


def answer(error: errors.MailError) -> Reply:
    """Return the reply to an error. A PolicyRefused or MessageMalformed may have its own text."""
    reply = errors.nearest(ANSWERS, error) or ANSWERS[errors.MailError]
    if isinstance(error, errors.PolicyRefused | errors.MessageMalformed) and error.args:
        return Reply(reply.code, reply.enhanced, str(error.args[0]))
    return reply
