"""Finding the entry of a table for an error."""

from postroom.contracts.errors import (
    MailboxError,
    MailError,
    MessageGone,
    NoSuchMailbox,
    Unavailable,
    nearest,
)

TABLE = {MailError: "root", MailboxError: "mailbox", NoSuchMailbox: "none"}


class Stranger(NoSuchMailbox):
    """An error that no table knows."""


def test_the_nearest_ancestor_counts_whatever_the_order_of_the_table() -> None:
    for table in (TABLE, dict(reversed(TABLE.items()))):
        assert nearest(table, NoSuchMailbox()) == "none"
        assert nearest(table, Stranger()) == "none"
        assert nearest(table, MessageGone()) == "mailbox"
        assert nearest(table, Unavailable()) == "root"


def test_a_table_without_any_ancestor_has_no_entry() -> None:
    assert nearest({NoSuchMailbox: "none"}, Unavailable()) is None
