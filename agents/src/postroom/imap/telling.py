"""What the log says about a session that something has gone wrong in; its client hears no reason."""

from postroom.contracts.errors import MessageLost, Unavailable
from postroom.imap.surroundings import Log
from postroom.runtime.service import where


class Teller:
    """Write lines that name one session's client and account."""

    __slots__ = ("_client", "_log", "account")

    def __init__(self, log: Log, client: str) -> None:
        self._log = log
        self._client = client
        self.account = ""  # empty before login

    def _who(self) -> str:
        return f"client={self._client}" + (f" account={self.account}" if self.account else "")

    def failure(self, verb: bytes, error: Unavailable) -> None:
        """Tell what keeps a login or a mailbox from working: it is for the operator to mend."""
        text = f"{verb.decode()} failed: {self._who()} {error}"
        self._log.warning(text, client=self._client, ACCOUNT=self.account)

    def lost(self, lost: MessageLost) -> None:
        """Tell of a message that cannot be read: nobody but the operator can help."""
        text = f"message lost: account={self.account} {lost} client={self._client}"
        self._log.error(text, client=self._client, ACCOUNT=self.account)

    def fault(self, what: str, error: Exception) -> None:
        """Tell of a mistake of ours in what was under way."""
        text = f"internal error: {what} {self._who()} {where(error)}"
        self._log.error(text, client=self._client, ACCOUNT=self.account)
