"""Queue ids that are the same for a message that is sent again. RFC 5321 sections 4.4 and 6.1, RFC 1047.

A server that did not receive our 250 sends the message again. It has stamped the message with a Received field of its
own, so the same octets for the same recipients are never a new message.
"""

import asyncio
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from postroom.contracts.queue import Draft
from postroom.mail.headers import Field, HeaderBlock
from postroom.mail.ids import queue_id
from postroom.runtime.config import ConfigError
from postroom.smtpd.transaction import Transaction

SECRET_OCTETS: Final = 32
TRIED_FOR: Final = 604_800  # seconds; servers give up after four or five days (RFC 5321 section 4.5.4.1)
AHEAD: Final = 86_400  # seconds by which another server's clock may be wrong
INLINE: Final = 131_072  # octets that are hashed without a thread
_PIECE: Final = 1 << 18
_STAMP: Final = b"received"
_NAME: Final = b"message-id"
# Fields that differ at each try: signatures by servers that sign when they send, and mailbox separator lines.
_OF_A_TRY: Final = frozenset({b"dkim-signature", b"arc-seal", b"arc-message-signature", b""})
_COMMENT: Final = re.compile(rb"\([^()]*\)")
_DEEPEST: Final = 5  # nested comments
_MONTHS: Final = (
    b"jan",
    b"feb",
    b"mar",
    b"apr",
    b"may",
    b"jun",
    b"jul",
    b"aug",
    b"sep",
    b"oct",
    b"nov",
    b"dec",
)
_DATE: Final = re.compile(
    rb"(?i)\b(\d{1,2})\s+(%s)\s+(\d{4})\s+(\d\d):(\d\d)(?::(\d\d))?\s+([+-])(\d\d)(\d\d)\b"
    % b"|".join(_MONTHS)
)
_DATE_AREA: Final = 200  # octets at the end of a field that are searched for its date
_ID: Final = re.compile(rb"(?i)(?:^|[ \t])(?<!from )(?<!by )id[ \t]+[^ \t;]")


class Repetition:
    """Computes the ids of one host. All its workers share `secret`, so that they compute the same ids."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.new(secret, digestmod="sha256")

    async def id_of(
        self, transaction: Transaction, block: HeaderBlock, draft: Draft, judgement: str, now: float
    ) -> str | None:
        """Return the repeatable id, or None if no server has stamped the message recently or it has no Message-ID.

        `judgement` is part of the id, so a replayed message that fails authentication cannot displace the real one. Old
        stamps do not count, since a program that always writes the same one must not lose its messages.
        """
        fields = block.fields
        at = next((index for index, one in enumerate(fields) if one.key == _STAMP), None)
        if at is None or not stamped(fields[at]) or not named(block):
            return None
        made = stamped_at(fields[at])
        if not -AHEAD <= now - made <= TRIED_FOR:
            return None
        digest = self._keyed.copy()
        digest.update(_envelope(transaction, judgement))
        for one in fields[:at]:
            if one.key not in _OF_A_TRY:
                digest.update(one.raw)
        digest.update(memoryview(block.octets)[fields[at].start :])
        if draft.size <= INLINE:
            _update(digest, draft, block.end)
        else:
            await asyncio.to_thread(_update, digest, draft, block.end)
        return queue_id(made * 1000, digest.digest()[:10])


def stamped(received: Field) -> bool:
    """Return whether a Received field has an id clause (RFC 5321 section 4.4)."""
    text = received.value
    for _ in range(_DEEPEST):
        text, count = _COMMENT.subn(b" ", text)
        if not count:
            break
    return _ID.search(text) is not None


def named(block: HeaderBlock) -> bool:
    """Return whether the author's side has added a Message-ID (RFC 5322 section 3.6.4)."""
    found = block.first(_NAME)
    return found is not None and len(found.value) > len("<>")


def stamped_at(received: Field) -> int:
    """Return the time of the stamp in seconds since 1970, 0 if there is none (RFC 5322 section 3.3).

    Ids begin with it, so that ids of one hour are neighbours in the indexes, as random ids are.
    """
    found = _DATE.search(received.raw[-_DATE_AREA:])
    if found is None:
        return 0
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    try:
        stamp = datetime(
            int(year), _MONTHS.index(month.lower()) + 1, int(day), int(hour), int(minute), tzinfo=UTC
        )
    except ValueError:
        return 0
    zone = int(zone_hours) * 3600 + int(zone_minutes) * 60
    return max(0, int(stamp.timestamp()) + int(second or 0) + (zone if sign == b"-" else -zone))


def _envelope(transaction: Transaction, judgement: str) -> bytes:
    """Join the parts, none of which contains a line end."""
    given: Sequence[str] = [str(accepted.given.address) for accepted in transaction.accepted]
    return "\n".join((judgement, transaction.sender, *given, "\n")).encode("utf-8", "surrogateescape")


def _update(digest: hmac.HMAC, draft: Draft, start: int) -> None:
    for piece in draft.body(start, _PIECE):
        digest.update(piece)


def shared_secret(directory: str) -> bytes:
    """Return the secret in a folder, creating it if it is missing. Raises ConfigError."""
    path = f"{directory}/queue-id.secret"
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def _read(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        secret = file.read(SECRET_OCTETS + 1)
    if len(secret) != SECRET_OCTETS:
        raise OSError("not a secret of ours; remove the file to have a new one made")
    return secret


def _make(path: str) -> None:
    draft = f"{path}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            file.write(secrets.token_bytes(SECRET_OCTETS))
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)  # a complete file or none, and the first worker wins
    finally:
        os.unlink(draft)
