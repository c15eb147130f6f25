"""A maildrop: the messages of INBOX at the time when the session began. RFC 1939 sections 5 and 6."""

from contextlib import AsyncExitStack

from postroom.contracts.account import FlagMode, MailAccount, Row
from postroom.contracts.errors import MailError
from postroom.store.ahead import contents_ahead
from postroom.wire.pop3.commands import PeerError

INBOX = "INBOX"
AHEAD = 65_536  # octets that are read ahead for a client that fetches one message after the other


class Maildrop:
    """Numbered messages, marks for deletion, and the lock. Numbers begin with 1 and never change."""

    def __init__(
        self,
        account: MailAccount,
        lock: AsyncExitStack,
        mailbox: int,
        uidvalidity: int,
        rows: tuple[Row, ...],
    ) -> None:
        self._account = account
        self._lock = lock
        self._mailbox = mailbox
        self._uidvalidity = uidvalidity
        self._rows = rows
        self._ahead = contents_ahead(account, mailbox, [row.uid for row in rows], AHEAD)
        self._deleted: set[int] = set()  # UIDs
        self._read: set[int] = set()

    @classmethod
    async def open(cls, account: MailAccount) -> "Maildrop":
        """Take the lock and read the rows of INBOX. Raises MailboxInUse, Unavailable."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(account.maildrop())
            selected = await account.select(INBOX, False)
            rows = await account.rows(selected.mailbox.id)
            lock = stack.pop_all()
        return cls(account, lock, selected.mailbox.id, selected.mailbox.uidvalidity, rows)

    def count_and_size(self) -> tuple[int, int]:
        """Return how many messages and octets there are without those marked as deleted."""
        kept = [row.size for row in self._rows if row.uid not in self._deleted]
        return len(kept), sum(kept)

    def sizes(self) -> list[str]:
        """Return the lines of LIST: number and octets."""
        return [
            f"{number} {row.size}" for number, row in enumerate(self._rows, 1) if row.uid not in self._deleted
        ]

    def identities(self) -> list[str]:
        """Return the lines of UIDL: number and an id that no other message gets."""
        return [
            f"{number} {self._identity(row)}"
            for number, row in enumerate(self._rows, 1)
            if row.uid not in self._deleted
        ]

    def size(self, number: int) -> str:
        """Return one line of LIST. Raises PeerError."""
        return f"{number} {self._row(number).size}"

    def identity(self, number: int) -> str:
        """Return one line of UIDL. Raises PeerError."""
        return f"{number} {self._identity(self._row(number))}"

    async def content(self, number: int) -> bytes:
        """Return the message. Raises PeerError, MailError."""
        return await self._ahead.read(self._row(number).uid)

    async def head(self, number: int, octets: int) -> bytes:
        """Return at least the first `octets` octets of the message, or all. Raises PeerError, MailError."""
        return await self._account.head(self._mailbox, self._row(number).uid, octets)

    async def piece(self, number: int, start: int, end: int) -> bytes:
        """Return the octets of the message from `start` to `end`. Raises PeerError, MailError."""
        return await self._account.piece(self._mailbox, self._row(number).uid, start, end)

    def octets(self, number: int) -> int:
        """Return the size of the message in octets. Raises PeerError."""
        return self._row(number).size

    def note_read(self, number: int) -> None:
        """Remember to mark the message \\Seen: the client has all of it. Raises PeerError."""
        row = self._row(number)
        if "\\Seen" not in row.flags:
            self._read.add(row.uid)

    def delete(self, number: int) -> None:
        """Mark the message for deletion. Raises PeerError."""
        self._deleted.add(self._row(number).uid)

    def undelete_all(self) -> None:
        """Remove all marks for deletion (RSET)."""
        self._deleted.clear()

    async def update(self) -> None:
        """Mark what was read, remove what was deleted (the UPDATE state). Raises MailError when some of it stays."""
        read = sorted(self._read - self._deleted)
        if read:
            await self._account.store(self._mailbox, read, FlagMode.ADD, frozenset({"\\Seen"}))
        if self._deleted:
            gone = sorted(self._deleted)
            await self._account.store(self._mailbox, gone, FlagMode.ADD, frozenset({"\\Deleted"}))
            await self._account.expunge(self._mailbox, gone)

    async def close(self) -> None:
        """Give the lock back; never fails."""
        try:
            await self._lock.aclose()
        except MailError:
            return  # the lock ends with the process at the latest

    def _row(self, number: int) -> Row:
        if not 1 <= number <= len(self._rows) or self._rows[number - 1].uid in self._deleted:
            raise PeerError("no such message")
        return self._rows[number - 1]

    def _identity(self, row: Row) -> str:
        return f"{self._uidvalidity}.{row.uid}"
