"""Outgoing SMTP: the domain's servers in order, one session after another, one reply per recipient."""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from postroom.couriers.connection import ConnectionLost, MessageCut, MessageUnreadable
from postroom.couriers.parcel import Attempt, Parcel, Result, heard, lost, unreadable, unwilling
from postroom.couriers.session import Session, SessionOpener, label_of
from postroom.couriers.turn import Turn, Weight, final
from postroom.policy import delivery
from postroom.policy.delivery import NoRoute
from postroom.runtime.resolver import Resolver
from postroom.wire.smtp import client
from postroom.wire.smtp.client import COMMAND, BadPath, Outgoing, Transaction
from postroom.wire.smtp.replies import Reply

MOST_ADDRESSES: Final = 5  # servers tried for one message and attempt, whether they answer or not
TURN_SECONDS: Final = MOST_ADDRESSES * COMMAND  # after so long no further server is begun with
KEPT_SECONDS: Final = 5.0  # how long an idle session waits for the next message
MOST_MESSAGES: Final = 100  # per session
_NO_EIGHT_BITS: Final = "5.6.3"  # RFC 3463 section 3.7: conversion required but not supported

Taken: TypeAlias = Callable[[Mapping[int, Result]], None]


@dataclass(frozen=True, slots=True)
class Ways:
    """How servers are found. `mx_ports`: host name to port, where it is not `port`."""

    own_names: frozenset[str]
    port: int = 25
    mx_ports: dict[str, int] = field(default_factory=dict)
    families: Sequence[str] = ("ipv6", "ipv4")


@dataclass(slots=True)
class _Exchange:
    """A host to try. `addresses` None: not looked up yet."""

    name: str
    port: int
    addresses: deque[str] | None = None


class SmtpCourier:
    """Delivers to domains by their MX and to single hosts by name."""

    def __init__(
        self,
        resolver: Resolver,
        opener: SessionOpener,
        ways: Ways,
        shuffle: Callable[[list[str]], None],
        scale: float = 1.0,
    ) -> None:
        """`scale` shortens or lengthens the time after which a turn begins with no further server."""
        self._resolver = resolver
        self._opener = opener
        self._ways = ways
        self._shuffle = shuffle
        self._turn_seconds = TURN_SECONDS * scale
        self._idle: dict[str, list[tuple[Session, asyncio.TimerHandle]]] = {}

    async def deliver(
        self,
        destination: str,
        outgoing: Outgoing,
        parcel: Parcel,
        *,
        by_mx: bool = True,
        taken: Taken = lambda results: None,
    ) -> Attempt:
        """One turn: every recipient is offered to one server after another, until one takes or refuses it.

        `by_mx` False: the destination is a host, its address records count. `taken` hears at once, before the next
        server is begun with, for whom the message has been taken (results by the recipient's number).
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        key = f"{destination} {by_mx}"
        turn = Turn(outgoing, parcel)
        _refuse_bad_paths(turn, outgoing)
        while turn.open and (session := self._take(key, turn.offered)) is not None:
            await self._offer(key, session, turn, taken)
        if turn.open:
            await self._go_round(key, destination, by_mx, turn, taken, began + self._turn_seconds)
        return turn.attempt(loop.time() - began)

    async def _go_round(  # noqa: PLR0913, PLR0917
        self, key: str, destination: str, by_mx: bool, turn: Turn, taken: Taken, until: float
    ) -> None:
        """Go to the destination's servers until every recipient is done with, or enough have been tried."""
        try:
            names = await self._hosts(destination, by_mx)
        except NoRoute as error:
            turn.fail(_no_route(error), Weight.ROUTE)
            return
        waiting = deque(_Exchange(name, self._ways.mx_ports.get(name, self._ways.port)) for name in names)
        room = MOST_ADDRESSES - len(turn.offered)
        while waiting and turn.open:
            exchange = waiting.popleft()
            if exchange.addresses is None:
                try:
                    exchange.addresses = deque(await self._addresses(exchange.name))
                except NoRoute as error:
                    turn.fail(_no_route(error), Weight.ROUTE)
                    continue
            while exchange.addresses and turn.open:
                if room <= 0 or (turn.begun and asyncio.get_running_loop().time() > until):
                    return
                address = exchange.addresses.popleft()
                if label_of(exchange.name, address, exchange.port) in turn.offered:
                    continue
                room -= 1
                last = not room or not (waiting or exchange.addresses)
                connected = await self._visit(key, exchange, address, turn, taken, last=last)
                # another machine of a host that had its say, or the last place, is for after the other hosts
                if waiting and exchange.addresses and (connected or room <= len(waiting)):
                    waiting.append(exchange)
                    break

    async def _visit(  # noqa: PLR0913
        self, key: str, exchange: _Exchange, address: str, turn: Turn, taken: Taken, *, last: bool
    ) -> bool:
        """Open a session with a server and offer the message; whether it talked to us."""
        host = label_of(exchange.name, address, exchange.port)
        turn.begun = True
        try:
            session = await self._opener.open(exchange.name, address, exchange.port, last=last)
        except (ConnectionLost, client.OutOfStep) as error:
            turn.fail(Result(Reply(451, "4.4.1", f"connect to {host}: {error}"), host), Weight.CONNECTION)
            return False
        except client.Refused as refusal:
            turn.fail(unwilling(refusal.reply, host, host), Weight.HOST)
            return True
        await self._offer(key, session, turn, taken)
        return True

    async def _hosts(self, destination: str, by_mx: bool) -> list[str]:
        if delivery.literal(destination) or not by_mx:
            return [destination]
        records = await self._resolver.run(delivery.exchanges(destination))
        return delivery.in_order(records, self._ways.own_names, self._shuffle, destination)

    async def _addresses(self, host: str) -> tuple[str, ...]:
        address = delivery.literal(host)
        if address is not None:
            return (address,)
        return await self._resolver.run(delivery.addresses(host, self._ways.families))

    async def _offer(self, key: str, session: Session, turn: Turn, taken: Taken) -> None:
        """Offer the message to a server for all who are left; `taken` hears when others remain."""
        try:
            parcel = await _fitting(session, turn)
            judged = parcel is None or await self._transact(key, session, turn, parcel)
        except BaseException:  # a fault of ours: half a message must not look like a whole one
            session.connection.abort()
            raise
        if parcel is None:
            self._put_back(key, session)
        if judged:
            turn.offered.add(session.host)
        if turn.open and turn.taken:
            taken(turn.taken)

    async def _transact(self, key: str, session: Session, turn: Turn, parcel: Parcel) -> bool:
        """One transaction; False when the server went before it had judged anything."""
        loop = asyncio.get_running_loop()
        transaction = Transaction(session.server, turn.offer(parcel))
        began = loop.time()
        rest: Result | None = None
        weight: Weight | None = Weight.CONNECTION
        try:
            await session.connection.converse(transaction.run(), parcel.chunks)
        except client.Refused as refusal:
            rest, weight = heard(refusal.reply, session.host), Weight.HOST
        except MessageUnreadable as error:
            rest, weight = unreadable(error, session.host), None
        except MessageCut as error:
            rest, weight = lost(str(error), session.host, session.host, sent=False), Weight.JUDGEMENT
        except (ConnectionLost, client.OutOfStep) as error:
            rest = lost(str(error), session.host, session.host, sent=transaction.sent)
            # it may have taken the message: to go to another server now would make a second copy likely (RFC 1047)
            weight = None if transaction.sent else weight
        turn.send_seconds += loop.time() - began
        turn.tls = session.tls
        silence = rest or lost("no reply", session.host, session.host, sent=transaction.sent)
        turn.judge(
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

    def _take(self, key: str, besides: Container[str]) -> Session | None:
        """A session that waits, with none of these servers."""
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

    def _put_back(self, key: str, session: Session) -> None:
        if session.messages >= MOST_MESSAGES or not session.connection.usable:
            session.connection.quit()
            return
        timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._let_go, key, session)
        self._idle.setdefault(key, []).append((session, timer))

    def _let_go(self, key: str, session: Session) -> None:
        kept = [entry for entry in self._idle.get(key, []) if entry[0] is not session]
        if kept:
            self._idle[key] = kept
        else:
            self._idle.pop(key, None)
        session.connection.quit()

    def close(self) -> None:
        """Say good-bye to idle servers."""
        for kept in self._idle.values():
            for session, timer in kept:
                timer.cancel()
                session.connection.quit()
        self._idle.clear()


def _refuse_bad_paths(turn: Turn, outgoing: Outgoing) -> None:
    """Give up whoever cannot stand in a command; all of them where the sender cannot."""
    try:
        client.path(outgoing.sender)
    except BadPath as error:
        turn.close_all(Result(Reply(553, "5.1.7", f"sender's {error}")))
    for number in [*turn.open]:
        try:
            client.path(outgoing.recipients[number][0])
        except BadPath as error:
            turn.close(number, Result(Reply(553, "5.1.3", str(error))))


def _no_route(error: NoRoute) -> Result:
    return Result(Reply(error.code, error.status, str(error)))


async def _fitting(session: Session, turn: Turn) -> Parcel | None:
    """The message as this server can take it; None when it cannot, which the turn then knows.

    RFC 1870 section 6.1, RFC 6152 section 3. Such limits are one host's own: the next one may have others.
    """
    parcel, server = turn.parcel, session.server
    if parcel.eight_bit and "8BITMIME" not in server:
        converted = await turn.seven_bit()
        if isinstance(converted, Reply):
            turn.fail(Result(converted), Weight.JUDGEMENT)
            return None
        if converted is None:
            text = f"{session.host} takes no 8-bit messages, and this one cannot be converted without damage"
            turn.fail(Result(Reply(554, _NO_EIGHT_BITS, text), session.host), Weight.LIMIT)
            return None
        parcel = converted
    if server.size_limit and parcel.size > server.size_limit:
        text = f"message of {parcel.size} octets is over the limit {server.size_limit} of {session.host}"
        turn.fail(Result(Reply(552, "5.3.4", text), session.host), Weight.LIMIT)
        return None
    return parcel
