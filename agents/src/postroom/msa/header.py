"""What is added to and removed from a submitted message's header.

RFC 6409 section 8, RFC 5322 sections 3.6 and 3.6.3.
"""

from collections.abc import Callable
from typing import Final

from postroom.mail import tidying as names
from postroom.mail.headers import Field, HeaderBlock, read_headers
from postroom.mail.headertext import field
from postroom.policy import trace
from postroom.policy.authres import removal

_HIDDEN: Final = frozenset({b"bcc", b"resent-bcc"})
# A message that is sent again has been delivered before. What that delivery wrote does not apply to this one, and would
# look like a loop at its end (RFC 5321 section 4.4). Loops are recognised by their Received fields.
_DELIVERY: Final = frozenset({b"return-path", b"delivered-to"})
_DROPPED: Final = _HIDDEN | _DELIVERY
_AUTHORS: Final = frozenset({b"from", b"sender", b"resent-from", b"resent-sender"})


def dropping(host_name: str) -> Callable[[Field], bool]:
    """Return a predicate for the fields to remove: blind copies, traces of an earlier delivery, and fields only we may
    write.
    """
    foreign = removal(host_name)
    return lambda one: one.key in _DROPPED or foreign(one)


def tidied(block: HeaderBlock) -> HeaderBlock:
    """Rewrite authors and senders so that every reader sees the same, and drop an empty From.

    `body_offset` still says where the body begins in the received message.
    """
    pieces = [_tidied(one) for one in block.fields]
    octets = b"".join(pieces)
    if octets == block.octets:
        return block
    return HeaderBlock(
        octets, read_headers(octets + b"\r\n", max_octets=len(octets)).fields, block.body_offset
    )


def _tidied(one: Field) -> bytes:
    if one.key not in _AUTHORS:
        return one.raw
    return b"" if one.key == b"from" and not one.value else names.tidied(one)


def additions(block: HeaderBlock, queue_id: str, host_name: str, sender: str, now: int) -> list[bytes]:
    """Return the missing fields: Date, Message-ID, and From with `sender` unless that is null."""
    present = {one.key for one in block.fields}
    added = []
    if b"date" not in present:
        added.append(field("Date", trace.date(now)))
    if b"message-id" not in present:
        added.append(field("Message-ID", added_message_id(queue_id, host_name)))
    if b"from" not in present and sender:
        added.append(field("From", sender))
    return added


def added_message_id(queue_id: str, host_name: str) -> str:
    """Return the Message-ID for a message without one."""
    return f"<{queue_id}@{host_name}>"
