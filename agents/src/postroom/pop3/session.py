"""The state of one POP3 connection, and what its commands do with it."""

from collections.abc import Awaitable, Callable

from postroom.contracts.errors import MessageLost
from postroom.pop3.context import Pop3Context
from postroom.pop3.maildrop import Maildrop
from postroom.runtime.connections import Connection
from postroom.wire.pop3 import answers
from postroom.wire.pop3.commands import CommandParser


class Pop3Session:
    """State of one connection."""

    def __init__(self, connection: Connection, context: Pop3Context) -> None:
        self.connection = connection
        self.context = context
        self.parser = CommandParser(connection.secured)
        self.user_name = b""  # of USER, until PASS comes
        self.account_id = ""  # empty before login
        self.over = False
        self.reply_begun = False  # the client has the beginning of a reply whose end is not made yet
        self._maildrop: Maildrop | None = None
        self._errors = 0
        self._login_until = context.steady() + context.config.login_timeout

    @property
    def has_maildrop(self) -> bool:
        """Whether a maildrop is open."""
        return self._maildrop is not None

    @property
    def maildrop(self) -> Maildrop:
        """The open maildrop; only for commands that need a login."""
        assert self._maildrop is not None
        return self._maildrop

    def enter(self, maildrop: Maildrop) -> None:
        """Begin the TRANSACTION state."""
        self._maildrop = maildrop
        self.parser.logged_in()
        self.connection.trust()
        self.connection.timeout = self.context.config.idle_timeout

    async def read(self) -> bytes:
        """Return the client's next octets, b"" at the end.

        Before login all reads together have `login_timeout` seconds; later each silence is measured. Raises
        TimeoutError, ConnectionError.
        """
        if self._maildrop is None:
            left = self._login_until - self.context.steady()
            self.connection.timeout = max(left, 0.0)
        else:
            self.connection.timeout = self.context.config.idle_timeout
        return await self.connection.read()

    def refuse(self, text: str) -> bytes:
        """Return a refusal and count an error; after `max_errors` of them the session ends."""
        self._errors += 1
        if self._errors >= self.context.config.max_errors:
            self.over = True
        return answers.err(text)

    @property
    def who(self) -> str:
        """The client and the account, for log lines."""
        return f"client={self.connection.peer}" + (f" account={self.account_id}" if self.account_id else "")

    def log_lost(self, lost: MessageLost) -> None:
        """Log a message that cannot be read; only the operator can restore it."""
        client = self.connection.peer
        text = f"message lost: account={self.account_id} {lost} client={client}"
        self.context.log.error(text, client=client, ACCOUNT=self.account_id)


Handler = Callable[[Pop3Session, tuple[bytes, ...]], Awaitable[bytes]]  # arguments to the reply
