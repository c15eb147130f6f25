"""The transaction as a state machine."""

from postroom.contracts.queue import Hop, QueuedRecipient
from postroom.mail.address import Address
from postroom.smtpd.transaction import (
    NEED_MAIL,
    NEED_RCPT,
    NESTED,
    NO_RECIPIENTS,
    TOO_LARGE,
    TOO_MANY,
    Transaction,
)
from postroom.wire.smtp.commands import Mail, Recipient

ADA = Recipient(Address("ada", "alpha.example"))
MAIL = Mail(Address("x", "outside.example"))


def row(address: str, hop: Hop = Hop.MAILBOX) -> QueuedRecipient:
    return QueuedRecipient(address, hop, "mail.alpha.example")


def test_order() -> None:
    transaction = Transaction(1000, 2)
    assert transaction.may_add() is NEED_MAIL
    assert transaction.may_send() is NEED_MAIL
    assert transaction.may_begin(Mail(None, size=1001)) is TOO_LARGE
    assert transaction.may_begin(Mail(None, size=1000)) is None
    transaction.begin(MAIL)
    assert transaction.sender == "x@outside.example"
    assert transaction.may_begin(MAIL) is NESTED
    assert transaction.may_send() is NEED_RCPT
    transaction.refused += 1
    assert transaction.may_send() is NO_RECIPIENTS
    transaction.add(ADA, (row("ada@alpha.example"),))
    assert transaction.may_send() is None
    transaction.add(ADA, (row("bob@alpha.example"),))
    assert transaction.may_add() is TOO_MANY


def test_nothing_survives_reset() -> None:
    transaction = Transaction(1000, 2)
    transaction.begin(MAIL)
    transaction.add(ADA, (row("ada@alpha.example"),))
    transaction.refused += 1
    transaction.reset()
    fresh = Transaction(1000, 2)
    assert all(getattr(transaction, name) == getattr(fresh, name) for name in Transaction.__slots__)
    assert transaction.sender == ""


def test_one_address_is_one_row() -> None:
    transaction = Transaction(1000, 9)
    transaction.begin(MAIL)
    transaction.add(ADA, (row("ada@alpha.example"), row("x@outside.example", Hop.WORLD)))
    transaction.add(ADA, (row("ada@alpha.example"),))
    assert [one.address for one in transaction.recipients] == ["ada@alpha.example", "x@outside.example"]
