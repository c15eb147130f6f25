"""Prepares messages for delivery: checks them, repairs or refuses them, signs them."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

from postroom.contracts.clock import Clock
from postroom.contracts.errors import Unavailable
from postroom.contracts.outbox import Claim, MemoryContent, QueuedContent
from postroom.contracts.queue import Hop, Origin
from postroom.couriers.parcel import Parcel
from postroom.mail.headers import HeaderError, read_headers
from postroom.mail.seven_bit import seven_bit
from postroom.policy.dkim import BodyHash, SigningKey, sign
from postroom.relay.keys import DkimKeys
from postroom.runtime.log import Log
from postroom.wire.smtp.octets import LineCheck, repaired
from postroom.wire.smtp.replies import Reply

INLINE: Final = 131_072  # octets up to which a message is examined without a thread
CONVERTED: Final = 16 << 20  # octets up to which a message is converted to 7 bits, which happens in memory
SIGNATURE_DAYS: Final = 7
_REMEMBERED: Final = 1000  # signatures, since a message may go to several destinations
_REPAIRABLE: Final = frozenset({Origin.LOCAL, Origin.REPORT})


class Unfit(Exception):
    """The message cannot be sent, or not now; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class _Findings(NamedTuple):
    clean: bool
    eight_bit: bool
    signature: bytes


class ParcelMaker:
    """Prepares claims. A message is signed once, however many destinations it has."""

    def __init__(self, keys: DkimKeys, clock: Clock, log: Log, max_hops: int) -> None:
        self._keys = keys
        self._clock = clock
        self._log = log
        self._max_hops = max_hops
        self._known: OrderedDict[tuple[str, int], asyncio.Future[_Findings]] = OrderedDict()

    def make_local(self, claim: Claim, content: QueuedContent) -> Parcel:
        """Prepare a small message for a mailbox: nothing to sign, nothing to wait for. Raises Unfit."""
        if claim.message.origin in _REPAIRABLE:
            return self._parcel(claim, content, _examine(content, [], 0))
        # Intake accepts no other line ends, and the mda would refuse them.
        eight_bit = not all(chunk.isascii() for chunk in content.chunks())
        return self._parcel(claim, content, _Findings(True, eight_bit, b""))

    async def make(self, claim: Claim, content: QueuedContent) -> Parcel:
        """Prepare a message. Raises Unfit, Unavailable."""
        return self._parcel(claim, content, await self._findings(claim, content))

    async def make_seven_bit(self, claim: Claim, content: QueuedContent) -> Parcel | None:
        """Prepare a message for a server without 8BITMIME (RFC 6152 section 3); None when we must not convert it.

        Mail from elsewhere stays as it is, since others may have signed it. Raises Unfit.
        """
        if claim.message.origin is Origin.INBOUND or content.size > CONVERTED:
            return None
        try:
            converted = await asyncio.to_thread(_seven_bit, content)
        except (ValueError, Unavailable):
            return None
        signs = bool(claim.message.signing_domain) and claim.hop is not Hop.MAILBOX
        return self._parcel(claim, converted, await self._look(claim, converted, signs=signs))

    def _parcel(self, claim: Claim, content: QueuedContent, findings: _Findings) -> Parcel:
        if (b"\n" + content.head.lower()).count(b"\nreceived:") > self._max_hops:
            raise Unfit(Reply(554, "5.4.6", f"more than {self._max_hops} hops: mail loops"))
        repairs = not findings.clean
        if repairs and claim.message.origin not in _REPAIRABLE:
            raise Unfit(Reply(554, "5.6.0", "message holds a bare CR, a bare LF or a NUL and is not sent on"))
        source = _repairing(content) if repairs else content.chunks
        signature = b"" if claim.hop is Hop.MAILBOX else findings.signature
        size = content.size + len(signature)
        return Parcel(
            claim.message.id, size, findings.eight_bit, _behind(signature, source) if signature else source
        )

    async def _findings(self, claim: Claim, content: QueuedContent) -> _Findings:
        signs = bool(claim.message.signing_domain) and claim.hop is not Hop.MAILBOX
        if not signs and content.size <= INLINE:
            return _examine(content, [], 0)
        key = (claim.message.id, signs)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = asyncio.ensure_future(self._look(claim, content, signs=signs))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(known)
        except BaseException:
            self._known.pop(key, None)
            raise

    async def _look(self, claim: Claim, content: QueuedContent, *, signs: bool) -> _Findings:
        keys = await self._signing_keys(claim) if signs else []
        try:
            now = int(self._clock.now())
            if content.size <= INLINE:
                return _examine(content, keys, now)
            return await asyncio.to_thread(_examine, content, keys, now)
        except HeaderError as error:
            raise Unfit(Reply(554, "5.6.0", f"message cannot be signed: {error}")) from error
        except Unavailable as error:
            self._log.error(f"{claim.message.id}: message cannot be read: {error}", QUEUE_ID=claim.message.id)
            raise Unfit(Reply(451, "4.3.0", "the message cannot be read now")) from error

    async def _signing_keys(self, claim: Claim) -> list[SigningKey]:
        """Return the keys of the claim's signing domain. Raises Unfit."""
        try:
            return await self._keys.of(claim.message.signing_domain)
        except Unavailable as error:
            self._log.error(f"{claim.message.id}: cannot sign: {error}", QUEUE_ID=claim.message.id)
            raise Unfit(Reply(451, "4.3.5", "the signature cannot be made now")) from error


def _examine(content: QueuedContent, keys: list[SigningKey], now: int) -> _Findings:
    """Check and sign a message in one pass. Raises HeaderError, Unavailable."""
    check, body = LineCheck(), BodyHash()
    for number, chunk in enumerate(content.chunks()):
        check.update(chunk)
        if number and keys:
            body.update(chunk)
    if not keys:
        return _Findings(check.clean, not check.ascii, b"")
    block = read_headers(content.head)
    if not check.clean:  # sign the repaired message, which is the one that is sent
        whole = b"".join(repaired(content.chunks()))
        block, body = read_headers(whole), BodyHash()
        body.update(memoryview(whole)[block.body_offset :])
    signature = sign(block, body.digest(), keys, now=now, lifetime=SIGNATURE_DAYS * 86_400)
    return _Findings(check.clean, not check.ascii, signature)


def _seven_bit(content: QueuedContent) -> QueuedContent:
    """Return the message in 7 bits. Raises Unconvertible, HeaderError, Unavailable."""
    whole = seven_bit(b"".join(repaired(content.chunks())))
    start = read_headers(whole).body_offset
    return MemoryContent(whole[:start], whole[start:])


def _behind(signature: bytes, source: Callable[[], Iterable[bytes]]) -> Callable[[], Iterable[bytes]]:
    return lambda: chain((signature,), source())


def _repairing(content: QueuedContent) -> Callable[[], Iterable[bytes]]:
    return lambda: repaired(content.chunks())
