"""The structure of a message: parts with byte offsets, and the envelope that IMAP serves.

RFC 2045, RFC 2046, RFC 2183, RFC 3501 section 7.4.2. All texts are raw octets as they are in the header, unfolded;
nothing is decoded here.
"""

import msgspec


class EnvelopeAddress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One address of an envelope field: name, source route, mailbox (local part), host. Groups are as in RFC 3501."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """RFC 3501 section 7.4.2, ENVELOPE; None is NIL."""

    date: bytes | None = None
    subject: bytes | None = None
    from_: tuple[EnvelopeAddress, ...] = ()
    sender: tuple[EnvelopeAddress, ...] = ()
    reply_to: tuple[EnvelopeAddress, ...] = ()
    to: tuple[EnvelopeAddress, ...] = ()
    cc: tuple[EnvelopeAddress, ...] = ()
    bcc: tuple[EnvelopeAddress, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message or one of its parts. Offsets count from the first octet of the whole message.

    `type`, `subtype` and parameter names are in upper case. A multipart has `parts`; a message/rfc822 has one part, its
    message, and that message's `envelope`.
    """

    start: int  # header begins
    body: int  # body begins
    end: int  # end of the body
    lines: int  # lines of the body, counted by CR LF
    type: bytes
    subtype: bytes
    params: tuple[tuple[bytes, bytes], ...] = ()
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes = b"7BIT"
    md5: bytes | None = None
    disposition: tuple[bytes, tuple[tuple[bytes, bytes], ...]] | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    parts: tuple["Part", ...] = ()
    envelope: Envelope | None = None
