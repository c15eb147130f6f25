"""Messages made ready for the way: looked at, repaired or refused, signed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

from postroom.contracts.clock import Clock
from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Hop, Origin
from postroom.couriers.parcel import Parcel
from postroom.mail.headers import HeaderError, read_headers
from postroom.mail.seven_bit import seven_bit
from postroom.policy.dkim import BodyHash, SigningKey, sign
from postroom.queue.sqlite.rows import Claim, StoredContent
from postroom.relay.keys import DkimKeys
from postroom.runtime.log import Log
from postroom.wire.smtp.octets import LineCheck, repaired
from postroom.wire.smtp.replies import Reply

INLINE: Final = 131_072  # octets up to which a message is looked at without a thread
CONVERTED: Final = 16 << 20  # octets up to which a message is converted, for it is in memory then
SIGNATURE_DAYS: Final = 7
_REMEMBERED: Final = 1000  # signatures: a message goes to several destinations
_REPAIRABLE: Final = frozenset({Origin.LOCAL, Origin.REPORT})


class Unfit(Exception):
    """The message cannot be sent (now); `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class _Findings(NamedTuple):
    clean: bool
    eight_bit: bool
    signature: bytes


class ParcelMaker:
    """Prepares claims. A message is signed once, whatever number of destinations it goes to."""

    def __init__(self, keys: DkimKeys, clock: Clock, log: Log, max_hops: int) -> None:
        self._keys = keys
        self._clock = clock
        self._log = log
        self._max_hops = max_hops
        self._known: OrderedDict[tuple[str, int], asyncio.Future[_Findings]] = OrderedDict()

    def make_local(self, claim: Claim, content: StoredContent) -> Parcel:
        """For a small message to a mailbox: nothing to sign, nothing to wait for. Raises Unfit."""
        if claim.facts.origin in _REPAIRABLE:
            return self._parcel(claim, content, _examine(content, [], 0))
        # The intake took no other line ends, and the mda looks again and would refuse them
        eight_bit = not all(chunk.isascii() for chunk in content.chunks())
        return self._parcel(claim, content, _Findings(True, eight_bit, b""))

    async def make(self, claim: Claim, content: StoredContent) -> Parcel:
        """Raises Unfit."""
        return self._parcel(claim, content, await self._findings(claim, content))

    async def make_seven_bit(self, claim: Claim, content: StoredContent) -> Parcel | None:
        """The message for a server that takes no eight bits, if it is ours to convert (RFC 6152 section 3).

        What came from elsewhere stays as it is: others have signed it. Raises Unfit.
        """
        if claim.facts.origin is Origin.INBOUND or content.size > CONVERTED:
            return None
        try:
            converted = await asyncio.to_thread(_seven_bit, content)
        except (ValueError, OSError):
            return None
        signs = bool(claim.facts.signing_domain) and claim.hop is not Hop.MAILBOX
        return self._parcel(claim, converted, await self._look(claim, converted, signs=signs))

    def _parcel(self, claim: Claim, content: StoredContent, findings: _Findings) -> Parcel:
        if content.head.lower().count(b"\nreceived:") >= self._max_hops:
            raise Unfit(Reply(554, "5.4.6", f"more than {self._max_hops} hops: mail loops"))
        repairs = not findings.clean
        if repairs and claim.facts.origin not in _REPAIRABLE:
            raise Unfit(Reply(554, "5.6.0", "message holds a bare CR, a bare LF or a NUL and is not sent on"))
        source = _repairing(content) if repairs else content.chunks
        signature = b"" if claim.hop is Hop.MAILBOX else findings.signature
        size = content.size + len(signature)
        return Parcel(
            claim.facts.id, size, findings.eight_bit, _behind(signature, source) if signature else source
        )

    async def _findings(self, claim: Claim, content: StoredContent) -> _Findings:
        signs = bool(claim.facts.signing_domain) and claim.hop is not Hop.MAILBOX
        if not signs and content.size <= INLINE:
            return _examine(content, [], 0)
        key = (claim.facts.id, signs)
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

    async def _look(self, claim: Claim, content: StoredContent, *, signs: bool) -> _Findings:
        keys: list[SigningKey] = []
        try:
            if signs:
                keys = await self._keys.of(claim.facts.signing_domain)
            now = int(self._clock.now())
            if content.size <= INLINE:
                return _examine(content, keys, now)
            return await asyncio.to_thread(_examine, content, keys, now)
        except Unavailable as error:
            self._log.error(f"{claim.facts.id}: cannot sign: {error}", QUEUE_ID=claim.facts.id)
            raise Unfit(Reply(451, "4.3.5", "the signature cannot be made now")) from error
        except HeaderError as error:
            raise Unfit(Reply(554, "5.6.0", f"message cannot be signed: {error}")) from error
        except OSError as error:
            self._log.error(f"{claim.facts.id}: message cannot be read: {error}", QUEUE_ID=claim.facts.id)
            raise Unfit(Reply(451, "4.3.0", "the message cannot be read now")) from error


def _examine(content: StoredContent, keys: list[SigningKey], now: int) -> _Findings:
    """One pass over a message. Raises HeaderError, OSError."""
    check, body = LineCheck(), BodyHash()
    for number, chunk in enumerate(content.chunks()):
        check.update(chunk)
        if number and keys:
            body.update(chunk)
    if not keys:
        return _Findings(check.clean, not check.ascii, b"")
    block = read_headers(content.head)
    if not check.clean:  # what is signed is what will be sent
        whole = b"".join(repaired(content.chunks()))
        block, body = read_headers(whole), BodyHash()
        body.update(memoryview(whole)[block.body_offset :])
    signature = sign(block, body.digest(), keys, now=now, lifetime=SIGNATURE_DAYS * 86_400)
    return _Findings(check.clean, not check.ascii, signature)


def _seven_bit(content: StoredContent) -> StoredContent:
    """Raises Unconvertible, HeaderError, OSError."""
    whole = seven_bit(b"".join(repaired(content.chunks())))
    start = read_headers(whole).body_offset
    return StoredContent(whole[:start], len(whole), whole[start:])


def _behind(signature: bytes, source: Callable[[], Iterable[bytes]]) -> Callable[[], Iterable[bytes]]:
    return lambda: chain((signature,), source())


def _repairing(content: StoredContent) -> Callable[[], Iterable[bytes]]:
    return lambda: repaired(content.chunks())
