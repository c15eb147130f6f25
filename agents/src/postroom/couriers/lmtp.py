"""Delivery to the mda by LMTP on a unix socket. RFC 2033.

A line keeps its connection and sends the envelope of the next message right after the message before it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from postroom.couriers.connection import ConnectionLost, MessageUnreadable, PeerConnection
from postroom.couriers.parcel import Attempt, Parcel, Result, fault, heard, lost, unreadable, unwilling
from postroom.wire.smtp import client
from postroom.wire.smtp.client import BadPath, Capabilities, Outgoing, Transaction
from postroom.wire.smtp.replies import Reply

CONNECT_SECONDS: Final = 10.0


class Errand(NamedTuple):
    """One message to deliver, and the callback for its results."""

    outgoing: Outgoing
    parcel: Parcel
    done: Callable[[Attempt], None]


class LmtpLine:
    """One kept connection. `run` delivers errands until `next_errand` returns None."""

    def __init__(self, path: str, name: str, scale: float = 1.0) -> None:
        """Set up a line.

        `name` is sent in LHLO and stands for the mda in results, so that no outsider reads the socket's path.
        """
        self._path = path
        self._name = name
        self._label = f"{name}[lmtp]"
        self._scale = scale
        self._connection: PeerConnection | None = None
        self._server = Capabilities()

    async def run(self, next_errand: Callable[[], Errand | None]) -> None:
        """Deliver errands, and call `done` of each exactly once."""
        errand = next_errand()
        opened: Transaction | None = None
        while errand is not None:
            try:
                transaction = opened or await self._begin(errand)
            except BadPath as error:
                errand.done(_all(errand, Result(Reply(553, "5.1.3", str(error)))))
                errand, opened = next_errand(), None
                continue
            except (ConnectionLost, client.SessionRefused, client.OutOfStep) as error:
                self._drop()
                errand.done(_all(errand, self._unreached(error), reached=False))
                errand, opened = next_errand(), None
                continue
            errand, opened = await self._carry(errand, transaction, opened is not None, next_errand)

    async def _carry(
        self, errand: Errand, transaction: Transaction, opened: bool, next_errand: Callable[[], Errand | None]
    ) -> tuple[Errand | None, Transaction | None]:
        """Deliver one message. Return the next errand, and its transaction if that is open already."""
        following = next_errand()
        coming = self._coming(following)
        behind = coming.opening if coming is not None else b""
        loop = asyncio.get_running_loop()
        began = loop.time()
        problem: Result | None = None
        broken = False
        assert self._connection is not None
        try:
            await self._connection.converse(
                transaction.run(opened=opened, behind=behind), errand.parcel.chunks
            )
        except client.SessionRefused as refusal:
            problem = heard(refusal.reply, self._label)
        except MessageUnreadable as error:
            problem = unreadable(error, self._label)
        except (ConnectionLost, client.OutOfStep) as error:
            problem = lost(str(error), self._label, self._name, sent=transaction.sent)
            broken = True
        except Exception as error:  # an internal error must not stop the line or lose the message
            problem = fault(type(error).__name__, self._label)
            self._connection.abort()
        silence = problem or lost("no reply", self._label, self._name, sent=transaction.sent)
        results = [heard(reply, self._label) if reply else silence for reply in transaction.replies]
        if problem is not None or not transaction.reusable:
            self._drop()
        errand.done(Attempt(results, reached=not broken, send_seconds=loop.time() - began))
        if self._connection is None or not transaction.sent:
            coming = None
        if following is None:
            following = next_errand()
        return following, coming

    def _coming(self, errand: Errand | None) -> Transaction | None:
        """Return the next transaction if its envelope may be sent now."""
        if errand is None or "PIPELINING" not in self._server:
            return None
        try:
            return Transaction(self._server, errand.outgoing, lmtp=True)
        except BadPath:
            return None

    def _unreached(self, error: Exception) -> Result:
        """Return the reason why the mda cannot be reached."""
        if isinstance(error, client.SessionRefused):
            return unwilling(error.reply, self._label, self._name)
        return Result(Reply(451, "4.4.1", f"mailboxes of {self._name}: {error}"), self._label)

    async def _begin(self, errand: Errand) -> Transaction:
        if self._connection is None or not self._connection.usable:
            self._drop()
            await self._connect()
        return Transaction(self._server, errand.outgoing, lmtp=True)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_unix_connection(
                    lambda: PeerConnection(self._scale), self._path
                )
        except TimeoutError:
            raise ConnectionLost("connection timed out") from None
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        self._connection = connection
        await connection.converse(client.greeting())
        self._server = await connection.converse(client.hello(self._name, lmtp=True))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.quit()
            self._connection = None

    def close(self) -> None:
        """Send QUIT and close."""
        self._drop()


def _all(errand: Errand, result: Result, *, reached: bool = True) -> Attempt:
    return Attempt([result] * len(errand.outgoing.recipients), reached=reached)
