"""Outgoing SMTP: the domain's servers in order, one session after another, one reply per recipient."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from postroom.couriers.connection import ConnectionLost
from postroom.couriers.parcel import Attempt, Parcel, lost
from postroom.couriers.session import Session, SessionOpener
from postroom.policy import delivery
from postroom.policy.delivery import NoRoute
from postroom.runtime.resolver import Resolver
from postroom.wire.smtp import client
from postroom.wire.smtp.client import BadPath, Outgoing, Transaction
from postroom.wire.smtp.replies import Reply

MOST_ADDRESSES: Final = 5  # servers tried for one message and attempt
KEPT_SECONDS: Final = 5.0  # how long an idle session waits for the next message
MOST_MESSAGES: Final = 100  # per session
_NO_EIGHT_BITS: Final = "5.6.3"  # RFC 3463 section 3.7: conversion required but not supported


@dataclass(frozen=True, slots=True)
class Ways:
    """How servers are found. `mx_ports`: host name to port, where it is not `port`."""

    own_names: frozenset[str]
    port: int = 25
    mx_ports: dict[str, int] = field(default_factory=dict)
    families: Sequence[str] = ("ipv6", "ipv4")


class SmtpCourier:
    """Delivers to domains by their MX and to single hosts by name."""

    def __init__(
        self,
        resolver: Resolver,
        opener: SessionOpener,
        ways: Ways,
        shuffle: Callable[[list[str]], None],
    ) -> None:
        self._resolver = resolver
        self._opener = opener
        self._ways = ways
        self._shuffle = shuffle
        self._idle: dict[str, list[tuple[Session, asyncio.TimerHandle]]] = {}

    async def deliver(
        self, destination: str, outgoing: Outgoing, parcel: Parcel, *, by_mx: bool = True
    ) -> Attempt:
        """One attempt. `by_mx` False: the destination is a host, its address records count."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        key = f"{destination} {by_mx}"
        try:
            client.path(outgoing.sender)
            for address, _ in outgoing.recipients:
                client.path(address)
        except BadPath as error:
            return _all(outgoing, Reply(553, "5.1.3", str(error)))
        while (session := self._take(key)) is not None:
            attempt = await self._transact(key, session, outgoing, parcel)
            if attempt is not None:
                return attempt
        return await self._deliver_anew(key, destination, by_mx, outgoing, parcel, began)

    async def _deliver_anew(  # noqa: PLR0913, PLR0917
        self, key: str, destination: str, by_mx: bool, outgoing: Outgoing, parcel: Parcel, began: float
    ) -> Attempt:
        """Try the destination's servers until one has judged the message."""
        failures: list[Reply] = []
        host = "none"
        try:
            hosts = await self._hosts(destination, by_mx)
        except NoRoute as error:
            return _all(outgoing, _no_route(error), reached=not error.temporary)
        tried = 0
        for name in hosts:
            try:
                addresses = await self._addresses(name)
            except NoRoute as error:
                failures.append(_no_route(error))
                continue
            port = self._ways.mx_ports.get(name, self._ways.port)
            for address in addresses:
                tried += 1
                host = f"{name}[{address}]:{port}"
                last = tried >= MOST_ADDRESSES or (name == hosts[-1] and address == addresses[-1])
                try:
                    session = await self._opener.open(name, address, port, last=last)
                except (ConnectionLost, client.OutOfStep) as error:
                    failures.append(Reply(451, "4.4.1", f"connect to {host}: {error}"))
                    session = None
                except client.Refused as refusal:
                    failures.append(_unwilling(host, refusal.reply))
                    session = None
                if session is not None:
                    connected = asyncio.get_running_loop().time() - began
                    attempt = await self._transact(key, session, outgoing, parcel)
                    if attempt is not None:
                        attempt.connect_seconds = connected
                        return attempt
                    failures.append(Reply(451, "4.4.2", f"{host}: {session.connection.problem}"))
                if last:
                    return _failed(outgoing, failures, host)
        return _failed(outgoing, failures, host)

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

    async def _transact(
        self, key: str, session: Session, outgoing: Outgoing, parcel: Parcel
    ) -> Attempt | None:
        """One transaction; None when the server went before it had judged anything."""
        loop = asyncio.get_running_loop()
        unfit = _unfit(session, parcel)
        if unfit is not None:
            self._put_back(key, session)
            attempt = _all(outgoing, unfit, session.host, reached=True)
            attempt.seven_bit_only = unfit.enhanced == _NO_EIGHT_BITS
            return attempt
        transaction = Transaction(session.server, outgoing)
        began = loop.time()
        problem: Reply | None = None
        try:
            await session.connection.converse(transaction.run(), parcel.chunks)
        except client.Refused as refusal:
            problem = refusal.reply
        except (ConnectionLost, client.OutOfStep) as error:
            problem = lost(session.host, str(error), transaction.sent)
        if problem is not None and not transaction.sent and not any(transaction.replies):
            session.connection.note(str(problem))
            session.connection.quit()
            return None
        session.messages += 1
        if problem is None and transaction.reusable:
            self._put_back(key, session)
        else:
            session.connection.quit()
        silence = problem or lost(session.host, "no reply", transaction.sent)
        replies = [reply or silence for reply in transaction.replies]
        return Attempt(replies, session.host, session.tls, send_seconds=loop.time() - began)

    def _take(self, key: str) -> Session | None:
        while kept := self._idle.get(key):
            session, timer = kept.pop()
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


def _all(outgoing: Outgoing, reply: Reply, host: str = "none", *, reached: bool = True) -> Attempt:
    return Attempt([reply] * len(outgoing.recipients), host, reached=reached)


def _failed(outgoing: Outgoing, failures: list[Reply], host: str) -> Attempt:
    """No server took it: for ever only when none of them may do so later (RFC 7504 section 4)."""
    failure = next((one for one in reversed(failures) if one.temporary), failures[-1])
    return _all(outgoing, failure, host, reached=failure.permanent)


def _no_route(error: NoRoute) -> Reply:
    return Reply(error.code, error.status, str(error))


def _unwilling(host: str, reply: Reply) -> Reply:
    """A greeting or EHLO refused: for now, unless the host says that it never takes mail (RFC 7504)."""
    if reply.code == 521:
        return Reply(556, "5.3.2", f"{host} accepts no mail: {reply}")
    return Reply(451, "4.3.2", f"{host} refused to talk to us: {reply}")


def _unfit(session: Session, parcel: Parcel) -> Reply | None:
    """Why this server cannot take this message at all. RFC 1870 section 6.1, RFC 6152 section 3."""
    limit = session.server.size_limit
    if limit and parcel.size > limit:
        return Reply(
            552, "5.3.4", f"message of {parcel.size} octets is over the limit {limit} of {session.host}"
        )
    if parcel.eight_bit and "8BITMIME" not in session.server:
        return Reply(
            554,
            _NO_EIGHT_BITS,
            f"{session.host} takes no 8-bit messages, and this one cannot be converted without damage",
        )
    return None
