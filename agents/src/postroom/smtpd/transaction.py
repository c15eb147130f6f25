"""One mail transaction as a state machine: takes facts, returns a refusal or None.

RFC 5321 sections 3.3 and 4.1.4.

Room rule: pure. The end of a transaction, by success or failure, resets all of its state.
"""

from typing import Final, NamedTuple

from postroom.contracts.queue import QueuedRecipient
from postroom.wire.smtp.commands import Mail, Recipient
from postroom.wire.smtp.replies import Reply

NESTED: Final = Reply(503, "5.5.1", "A transaction is under way, use RSET first")
NEED_MAIL: Final = Reply(503, "5.5.1", "Need MAIL command")
NEED_RCPT: Final = Reply(503, "5.5.1", "Need RCPT command")
NO_RECIPIENTS: Final = Reply(554, "5.5.1", "No valid recipients")
TOO_MANY: Final = Reply(452, "4.5.3", "Too many recipients in one transaction")
TOO_LARGE: Final = Reply(552, "5.3.4", "Message size exceeds the limit")


class Accepted(NamedTuple):
    """A recipient that was answered with 250, and its queue rows."""

    given: Recipient
    queued: tuple[QueuedRecipient, ...]


class Transaction:
    """The state of MAIL, RCPT and DATA for one message."""

    __slots__ = ("accepted", "limit", "mail", "max_recipients", "refused")

    def __init__(self, limit: int, max_recipients: int) -> None:
        """Start without a sender. `limit` is the largest message size in octets."""
        self.limit = limit
        self.max_recipients = max_recipients
        self.mail: Mail | None = None
        self.accepted: list[Accepted] = []
        self.refused = 0

    @property
    def sender(self) -> str:
        """Return the envelope sender, "" for the null sender."""
        return str(self.mail.sender) if self.mail and self.mail.sender else ""

    @property
    def recipients(self) -> tuple[QueuedRecipient, ...]:
        """Return the queue rows. An address that was reached in two ways gets one row."""
        rows: dict[tuple[str, str], QueuedRecipient] = {}
        for accepted in self.accepted:
            for row in accepted.queued:
                rows.setdefault((row.hop, row.address), row)
        return tuple(rows.values())

    def reset(self) -> None:
        """Forget the transaction."""
        self.mail = None
        self.accepted = []
        self.refused = 0

    def may_begin(self, mail: Mail) -> Reply | None:
        """Return the reason to refuse MAIL, or None. RFC 1870 section 6.1."""
        if self.mail is not None:
            return NESTED
        return TOO_LARGE if mail.size > self.limit else None

    def begin(self, mail: Mail) -> None:
        """Record that MAIL was accepted."""
        self.mail = mail

    def may_add(self) -> Reply | None:
        """Return the reason to refuse any RCPT, or None."""
        if self.mail is None:
            return NEED_MAIL
        return TOO_MANY if len(self.accepted) >= self.max_recipients else None

    def add(self, given: Recipient, queued: tuple[QueuedRecipient, ...]) -> None:
        """Record that RCPT was accepted."""
        self.accepted.append(Accepted(given, queued))

    def may_send(self) -> Reply | None:
        """Return the reason to refuse DATA, or None."""
        if self.mail is None:
            return NEED_MAIL
        if not self.accepted:
            return NO_RECIPIENTS if self.refused else NEED_RCPT
        return None
