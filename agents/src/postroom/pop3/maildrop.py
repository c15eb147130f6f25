"""A maildrop: the messages of INBOX as they were when the session began. RFC 1939 sections 5 and 6."""

from contextlib import AsyncExitStack

from postroom.contracts.account import FlagMode, MailAccount, Row
from postroom.contracts.errors import MailError
from postroom.store.ahead import contents_ahead
from postroom.wire.pop3.session import PeerError

INBOX = "INBOX"
AHEAD = 65_536  # octets that are read ahead for a client that fetches one message after the other


class Maildrop:
    """Numbered messages, those marked for deletion, and the lock. Numbers begin with 1 and never move."""

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
        """Lock and read. Raises MailboxInUse, Unavailable."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(account.maildrop())
            selected = await account.select(INBOX, False)
            rows = await account.rows(selected.mailbox.id)
            lock = stack.pop_all()
        return cls(account, lock, selected.mailbox.id, selected.mailbox.uidvalidity, rows)

    def count_and_size(self) -> tuple[int, int]:
        """Messages and octets without those marked as deleted."""
        kept = [row.size for row in self._rows if row.uid not in self._deleted]
        return len(kept), sum(kept)

    def sizes(self) -> list[str]:
        """LIST: number and octets."""
        return [
            f"{place} {row.size}" for place, row in enumerate(self._rows, 1) if row.uid not in self._deleted
        ]

    def identities(self) -> list[str]:
        """UIDL: number and an id that is never given again."""
        return [
            f"{place} {self._identity(row)}"
            for place, row in enumerate(self._rows, 1)
            if row.uid not in self._deleted
        ]

    def size(self, place: int) -> str:
        """One line of LIST. Raises PeerError."""
        return f"{place} {self._row(place).size}"

    def identity(self, place: int) -> str:
        """One line of UIDL. Raises PeerError."""
        return f"{place} {self._identity(self._row(place))}"

    async def content(self, place: int) -> bytes:
        """The message. Raises PeerError, MailError."""
        return await self._ahead.read(self._row(place).uid)

    async def head(self, place: int, octets: int) -> bytes:
        """Its beginning: so many octets at least, or all there are. Raises PeerError, MailError."""
        return await self._account.head(self._mailbox, self._row(place).uid, octets)

    async def piece(self, place: int, start: int, end: int) -> bytes:
        """Some octets of the message. Raises PeerError, MailError."""
        return await self._account.piece(self._mailbox, self._row(place).uid, start, end)

    def octets(self, place: int) -> int:
        """Its size. Raises PeerError."""
        return self._row(place).size

    def note_read(self, place: int) -> None:
        """Its owner has all of it. Raises PeerError."""
        row = self._row(place)
        if "\\Seen" not in row.flags:
            self._read.add(row.uid)

    def delete(self, place: int) -> None:
        """Mark. Raises PeerError."""
        self._deleted.add(self._row(place).uid)

    def undelete_all(self) -> None:
        """RSET."""
        self._deleted.clear()

    async def update(self) -> None:
        """The UPDATE state: what was read is marked so, what was deleted goes. Raises MailError: not all of it went."""
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

    def _row(self, place: int) -> Row:
        if not 1 <= place <= len(self._rows) or self._rows[place - 1].uid in self._deleted:
            raise PeerError("no such message")
        return self._rows[place - 1]

    def _identity(self, row: Row) -> str:
        return f"{self._uidvalidity}.{row.uid}"
