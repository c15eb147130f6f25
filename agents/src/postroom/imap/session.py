"""The state of one connection, and what command handlers do with it.

Room rule: this file knows no command. It writes, and keeps which account and which mailbox are open.
"""

from collections.abc import Callable

from postroom.contracts.account import MailAccount
from postroom.imap.context import ImapContext
from postroom.imap.octets import ClientInput
from postroom.imap.sessionlog import SessionLog
from postroom.imap.timeslice import TimeSlice
from postroom.imap.view import View
from postroom.runtime.connections import Connection
from postroom.wire.imap import responses
from postroom.wire.imap.capability import capabilities
from postroom.wire.imap.commands import State


class ImapSession:
    """State of one connection."""

    __slots__ = (
        "__weakref__",
        "_selected_account",
        "account",
        "account_id",
        "check_account_at",
        "condstore",
        "connection",
        "context",
        "input",
        "log",
        "news_pending",
        "on_news",
        "over",
        "state",
        "tag",
        "time_slice",
        "view",
    )

    def __init__(self, connection: Connection, context: ImapContext) -> None:
        self.connection = connection
        self.context = context
        self.input = ClientInput(connection, context)
        self.time_slice = TimeSlice(context.clock)
        self.log = SessionLog(context.log, connection.peer)
        self.state = State.NOT_AUTHENTICATED
        self.tag = b"*"  # of the command being carried out
        self.account: MailAccount | None = None
        self.account_id = ""
        self.check_account_at = 0.0  # steady time of the next look whether the account is still enabled
        self.view: View | None = None
        self._selected_account: MailAccount | None = None
        self.condstore = False
        self.news_pending = False  # something changed in the account since the last look
        self.on_news: Callable[[], None] | None = None
        self.over = False

    def write(self, octets: bytes) -> None:
        """Send octets to the client."""
        if octets:
            self.connection.write(octets)

    async def flush(self) -> None:
        """Wait while the client reads more slowly than we write, and let other sessions run."""
        await self.connection.drain()
        await self.time_slice.give_way()

    def capabilities(self) -> bytes:
        """Return what the server offers in this state."""
        return capabilities(
            secured=self.connection.secured,
            logged_in=self.account is not None,
            may_start_tls=self.context.tls is not None,
        )

    @property
    def own_account(self) -> MailAccount:
        """The account that logged in; only for handlers of commands that need a login."""
        assert self.account is not None
        return self.account

    @property
    def selected(self) -> View:
        """The selected mailbox; only for handlers of commands that need one."""
        assert self.view is not None
        return self.view

    @property
    def selected_account(self) -> MailAccount:
        """The account that the selected mailbox belongs to; only for handlers of commands that need one."""
        assert self._selected_account is not None
        return self._selected_account

    def enter_mailbox(self, account: MailAccount, view: View) -> None:
        """Select a mailbox of an account."""
        self.view = view
        self._selected_account = account
        self.state = State.SELECTED
        self.news_pending = False
        self.context.store.watch(self.account_id, self.note_news)

    def leave_mailbox(self) -> None:
        """Leave the selected mailbox, if there is one."""
        if self.view is not None:
            self.view = self._selected_account = None
            self.state = State.AUTHENTICATED
            self.context.store.unwatch(self.account_id, self.note_news)

    def note_news(self) -> None:
        """Remember that something changed in the account, so that the next moment that allows it brings a look."""
        self.news_pending = True
        if self.on_news is not None:
            self.on_news()

    def enable_condstore(self) -> None:
        """Begin to send mod-sequences, after a CONDSTORE enabling command (RFC 7162 section 3.1)."""
        if not self.condstore:
            self.condstore = True
            if self.view is not None:
                code = b"HIGHESTMODSEQ %d" % max(self.view.modseq, 1)
                self.write(responses.status(b"*", b"OK", b"Highest", code))

    def end(self) -> None:
        """End the session after the reply to the command being carried out."""
        self.over = True

    def bye(self, text: bytes) -> None:
        """Close the connection with these words to the client."""
        self.write(responses.status(b"*", b"BYE", text))
        self.over = True
        self.connection.close()
