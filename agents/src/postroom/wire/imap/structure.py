"""ENVELOPE, BODY and BODYSTRUCTURE. RFC 3501 section 7.4.2."""

from collections.abc import Sequence
from typing import Final

from postroom.mail.mime import Envelope, EnvelopeAddress, Part
from postroom.wire.imap.responses import nstring, string

_NO_ENVELOPE: Final = Envelope()
# A multipart without parts, and a message part without its message, still need one body.
_EMPTY_TEXT: Final = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0'


def envelope(value: Envelope) -> bytes:
    """Return ENVELOPE. Sender and Reply-To default to From."""
    from_ = _mailboxes(value.from_)
    sender, reply_to = (
        from_ if not boxes or boxes == value.from_ else _mailboxes(boxes)
        for boxes in (value.sender, value.reply_to)
    )
    return b"(%b)" % b" ".join(
        (
            nstring(value.date),
            nstring(value.subject),
            from_,
            sender,
            reply_to,
            _mailboxes(value.to),
            _mailboxes(value.cc),
            _mailboxes(value.bcc),
            nstring(value.in_reply_to),
            nstring(value.message_id),
        )
    )


def _mailboxes(values: Sequence[EnvelopeAddress]) -> bytes:
    if not values:
        return b"NIL"
    return b"(%b)" % b"".join(
        b"(%b %b %b %b)" % (nstring(box.name), nstring(box.route), nstring(box.mailbox), nstring(box.host))
        for box in values
    )


def body(part: Part, *, extended: bool) -> bytes:
    """Return BODY, or with `extended` BODYSTRUCTURE."""
    if part.type == b"MULTIPART":
        return _multipart(part, extended)
    fields = [
        string(part.type),
        string(part.subtype),
        _params(part.params),
        nstring(part.id),
        nstring(part.description),
        string(part.encoding),
        b"%d" % (part.end - part.body),
    ]
    if part.type == b"MESSAGE" and part.subtype == b"RFC822":
        inner = body(part.parts[0], extended=extended) if part.parts else _empty(extended)
        fields += (envelope(part.envelope or _NO_ENVELOPE), inner, b"%d" % part.lines)
    elif part.type == b"TEXT":
        fields.append(b"%d" % part.lines)
    if extended:
        fields += (nstring(part.md5), *_extension(part))
    return b"(%b)" % b" ".join(fields)


def _multipart(part: Part, extended: bool) -> bytes:
    children = b"".join(body(child, extended=extended) for child in part.parts) or _empty(extended)
    fields = [children, string(part.subtype)]
    if extended:
        fields += (_params(part.params), *_extension(part))
    return b"(%b)" % b" ".join(fields)


def _empty(extended: bool) -> bytes:
    return _EMPTY_TEXT + (b" NIL NIL NIL NIL)" if extended else b")")


def _extension(part: Part) -> tuple[bytes, bytes, bytes]:
    """Return body-fld-dsp, body-fld-lang and body-fld-loc."""
    disposition = b"NIL"
    if part.disposition:
        kind, params = part.disposition
        disposition = b"(%b %b)" % (string(kind), _params(params))
    language = b"NIL"
    if part.language:
        language = b"(%b)" % b" ".join(map(string, part.language))
    return disposition, language, nstring(part.location)


def _params(params: Sequence[tuple[bytes, bytes]]) -> bytes:
    if not params:
        return b"NIL"
    return b"(%b)" % b" ".join(b"%b %b" % (string(name), string(value)) for name, value in params)
