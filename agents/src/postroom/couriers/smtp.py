"""Outgoing SMTP: tries the domain's servers in order and returns one result per recipient."""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from postroom.couriers.connection import ConnectionLost, MessageCut, MessageUnreadable
from postroom.couriers.parcel import Attempt, Parcel, Result, heard, lost, unreadable, unwilling
from postroom.couriers.progress import DeliveryProgress, Weight, final
from postroom.couriers.session import ServerSession, SessionOpener, label_of
from postroom.policy import delivery
from postroom.policy.delivery import NoRoute
from postroom.runtime.resolver import Resolver
from postroom.wire.smtp import client
from postroom.wire.smtp.client import COMMAND, BadPath, Outgoing, Transaction
from postroom.wire.smtp.replies import Reply

MOST_ADDRESSES: Final = 5  # servers tried for one message and attempt, reachable or not
TURN_SECONDS: Final = MOST_ADDRESSES * COMMAND  # seconds after which no further server is tried
KEPT_SECONDS: Final = 5.0  # seconds for which an idle session is kept
MOST_MESSAGES: Final = 100  # messages per session
_NO_EIGHT_BITS: Final = "5.6.3"  # RFC 3463 section 3.7: conversion required but not supported

Taken: TypeAlias = Callable[[Mapping[int, Result]], None]


@dataclass(frozen=True, slots=True)
class MxSettings:
    """How to find servers. `mx_ports` maps host names to ports that differ from `port`."""

    own_names: frozenset[str]
    port: int = 25
    mx_ports: dict[str, int] = field(default_factory=dict)
    families: Sequence[str] = ("ipv6", "ipv4")


@dataclass(slots=True)
class _Exchange:
    """A host to try. `addresses` is None until they have been looked up."""

    name: str
    port: int
    addresses: deque[str] | None = None


class SmtpCourier:
    """Delivers to domains by their MX records, and to single hosts by name."""

    def __init__(
        self,
        resolver: Resolver,
        opener: SessionOpener,
        mx: MxSettings,
        shuffle: Callable[[list[str]], None],
        scale: float = 1.0,
    ) -> None:
        """Set up a courier. `scale` multiplies the time after which no further server is tried."""
        self._resolver = resolver
        self._opener = opener
        self._mx = mx
        self._shuffle = shuffle
        self._turn_seconds = TURN_SECONDS * scale
        self._idle: dict[str, list[tuple[ServerSession, asyncio.TimerHandle]]] = {}

    async def deliver(
        self,
        destination: str,
        outgoing: Outgoing,
        parcel: Parcel,
        *,
        by_mx: bool = True,
        taken: Taken = lambda results: None,
    ) -> Attempt:
        """Offer every recipient to one server after another until one accepts or refuses it.

        With `by_mx` False the destination is a host, and its address records count. `taken` is called with the results
        of accepted recipients, by number, as soon as a server has the message and before the next one is tried.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        key = f"{destination} {by_mx}"
        progress = DeliveryProgress(outgoing, parcel)
        _refuse_bad_paths(progress, outgoing)
        while progress.open and (session := self._take(key, progress.offered)) is not None:
            await self._offer(key, session, progress, taken)
        if progress.open:
            await self._go_round(key, destination, by_mx, progress, taken, began + self._turn_seconds)
        return progress.attempt(loop.time() - began)

    async def _go_round(  # noqa: PLR0913, PLR0917
        self, key: str, destination: str, by_mx: bool, progress: DeliveryProgress, taken: Taken, until: float
    ) -> None:
        """Try the destination's servers until every recipient is done, or enough have been tried."""
        try:
            names = await self._hosts(destination, by_mx)
        except NoRoute as error:
            progress.fail(_no_route(error), Weight.ROUTE)
            return
        waiting = deque(_Exchange(name, self._mx.mx_ports.get(name, self._mx.port)) for name in names)
        room = MOST_ADDRESSES - len(progress.offered)
        while waiting and progress.open:
            exchange = waiting.popleft()
            if exchange.addresses is None:
                try:
                    exchange.addresses = deque(await self._addresses(exchange.name))
                except NoRoute as error:
                    progress.fail(_no_route(error), Weight.ROUTE)
                    continue
            while exchange.addresses and progress.open:
                if room <= 0 or (progress.begun and asyncio.get_running_loop().time() > until):
                    return
                address = exchange.addresses.popleft()
                if label_of(exchange.name, address, exchange.port) in progress.offered:
                    continue
                room -= 1
                last = not room or not (waiting or exchange.addresses)
                connected = await self._visit(key, exchange, address, progress, taken, last=last)
                # A host that has answered, or that would take the last attempt, is tried again only after the other
                # hosts.
                if waiting and exchange.addresses and (connected or room <= len(waiting)):
                    waiting.append(exchange)
                    break

    async def _visit(  # noqa: PLR0913
        self,
        key: str,
        exchange: _Exchange,
        address: str,
        progress: DeliveryProgress,
        taken: Taken,
        *,
        last: bool,
    ) -> bool:
        """Open a session with a server and offer the message. Return whether it accepted the session."""
        host = label_of(exchange.name, address, exchange.port)
        progress.begun = True
        try:
            session = await self._opener.open(exchange.name, address, exchange.port, last=last)
        except (ConnectionLost, client.OutOfStep) as error:
            progress.fail(Result(Reply(451, "4.4.1", f"connect to {host}: {error}"), host), Weight.CONNECTION)
            return False
        except client.SessionRefused as refusal:
            progress.fail(unwilling(refusal.reply, host, host), Weight.HOST)
            return True
        await self._offer(key, session, progress, taken)
        return True

    async def _hosts(self, destination: str, by_mx: bool) -> list[str]:
        if delivery.literal(destination) or not by_mx:
            return [destination]
        records = await self._resolver.run(delivery.exchanges(destination))
        return delivery.in_order(records, self._mx.own_names, self._shuffle, destination)

    async def _addresses(self, host: str) -> tuple[str, ...]:
        address = delivery.literal(host)
        if address is not None:
            return (address,)
        return await self._resolver.run(delivery.addresses(host, self._mx.families))

    async def _offer(
        self, key: str, session: ServerSession, progress: DeliveryProgress, taken: Taken
    ) -> None:
        """Offer the message to a server for all open recipients. Call `taken` if others remain."""
        try:
            parcel = await _fitting(session, progress)
            judged = parcel is None or await self._transact(key, session, progress, parcel)
        except BaseException:  # an internal error: half a message must not look complete
            session.connection.abort()
            raise
        if parcel is None:
            self._put_back(key, session)
        if judged:
            progress.offered.add(session.host)
        if progress.open and progress.taken:
            taken(progress.taken)

    async def _transact(
        self, key: str, session: ServerSession, progress: DeliveryProgress, parcel: Parcel
    ) -> bool:
        """Run one transaction. Return False if the server closed before it gave any result."""
        loop = asyncio.get_running_loop()
        transaction = Transaction(session.server, progress.offer(parcel))
        began = loop.time()
        rest: Result | None = None
        weight: Weight | None = Weight.CONNECTION
        try:
            await session.connection.converse(transaction.run(), parcel.chunks)
        except client.SessionRefused as refusal:
            rest, weight = heard(refusal.reply, session.host), Weight.HOST
        except MessageUnreadable as error:
            rest, weight = unreadable(error, session.host), None
        except MessageCut as error:
            rest, weight = lost(str(error), session.host, session.host, sent=False), Weight.JUDGEMENT
        except (ConnectionLost, client.OutOfStep) as error:
            rest = lost(str(error), session.host, session.host, sent=transaction.sent)
            # The server may have accepted the message: trying another one now would risk a second copy (RFC 1047).
            weight = None if transaction.sent else weight
        progress.send_seconds += loop.time() - began
        progress.tls = session.tls
        silence = rest or lost("no reply", session.host, session.host, sent=transaction.sent)
        progress.judge(
            [
                (heard(reply, session.host), final(reply)) if reply else (silence, weight)
                for reply in transaction.replies
            ]
        )
        session.messages += 1
        if rest is None and transaction.reusable:
            self._put_back(key, session)
        else:
            session.connection.quit()
        return transaction.sent or any(transaction.replies)

    def _take(self, key: str, besides: Container[str]) -> ServerSession | None:
        """Return an idle session with a server that is not among these."""
        kept = self._idle.get(key, [])
        for entry in reversed([*kept]):
            session, timer = entry
            if session.connection.usable and session.host in besides:
                continue
            kept.remove(entry)
            timer.cancel()
            if not kept:
                del self._idle[key]
            if session.connection.usable:
                return session
            session.connection.quit()
        return None

    def _put_back(self, key: str, session: ServerSession) -> None:
        if session.messages >= MOST_MESSAGES or not session.connection.usable:
            session.connection.quit()
            return
        timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._let_go, key, session)
        self._idle.setdefault(key, []).append((session, timer))

    def _let_go(self, key: str, session: ServerSession) -> None:
        kept = [entry for entry in self._idle.get(key, []) if entry[0] is not session]
        if kept:
            self._idle[key] = kept
        else:
            self._idle.pop(key, None)
        session.connection.quit()

    def close(self) -> None:
        """Send QUIT to all idle servers."""
        for kept in self._idle.values():
            for session, timer in kept:
                timer.cancel()
                session.connection.quit()
        self._idle.clear()


def _refuse_bad_paths(progress: DeliveryProgress, outgoing: Outgoing) -> None:
    """Refuse recipients whose address cannot be sent in a command, or all of them if the sender's cannot."""
    try:
        client.path(outgoing.sender)
    except BadPath as error:
        progress.close_all(Result(Reply(553, "5.1.7", f"sender's {error}")))
    for number in [*progress.open]:
        try:
            client.path(outgoing.recipients[number][0])
        except BadPath as error:
            progress.close(number, Result(Reply(553, "5.1.3", str(error))))


def _no_route(error: NoRoute) -> Result:
    return Result(Reply(error.code, error.status, str(error)))


async def _fitting(session: ServerSession, progress: DeliveryProgress) -> Parcel | None:
    """Return the message in a form that this server accepts, or None, after recording why.

    RFC 1870 section 6.1, RFC 6152 section 3. Such limits are one host's own; the next one may have others.
    """
    parcel, server = progress.parcel, session.server
    if parcel.eight_bit and "8BITMIME" not in server:
        converted = await progress.seven_bit()
        if isinstance(converted, Reply):
            progress.fail(Result(converted), Weight.JUDGEMENT)
            return None
        if converted is None:
            text = f"{session.host} takes no 8-bit messages, and this one cannot be converted without damage"
            progress.fail(Result(Reply(554, _NO_EIGHT_BITS, text), session.host), Weight.LIMIT)
            return None
        parcel = converted
    if server.size_limit and parcel.size > server.size_limit:
        text = f"message of {parcel.size} octets is over the limit {server.size_limit} of {session.host}"
        progress.fail(Result(Reply(552, "5.3.4", text), session.host), Weight.LIMIT)
        return None
    return parcel
