"""Log lines about what went wrong in a session. The client does not see the reasons."""

from postroom.contracts.errors import MessageLost, Unavailable
from postroom.imap.context import Log
from postroom.runtime.service import where


class SessionLog:
    """Write log lines that name one session's client and account."""

    __slots__ = ("_client", "_log", "account")

    def __init__(self, log: Log, client: str) -> None:
        self._log = log
        self._client = client
        self.account = ""  # empty before login

    def _who(self) -> str:
        return f"client={self._client}" + (f" account={self.account}" if self.account else "")

    def failure(self, verb: bytes, error: Unavailable) -> None:
        """Log why a login or a mailbox does not work, for the operator to mend."""
        text = f"{verb.decode()} failed: {self._who()} {error}"
        self._log.warning(text, client=self._client, ACCOUNT=self.account)

    def lost(self, lost: MessageLost) -> None:
        """Log a message that cannot be read; only the operator can restore it."""
        text = f"message lost: account={self.account} {lost} client={self._client}"
        self._log.error(text, client=self._client, ACCOUNT=self.account)

    def fault(self, what: str, error: Exception) -> None:
        """Log an error in our own code and what the session was doing."""
        text = f"internal error: {what} {self._who()} {where(error)}"
        self._log.error(text, client=self._client, ACCOUNT=self.account)
