"""The ENVELOPE of a message. RFC 3501 section 7.4.2, RFC 5322 sections 3.4 and 4.4.

Room rule: this is for display, so it is lenient where `mail.headermailboxes` is strict; no decision depends on it.
Linear, no recursion: comments are counted, not descended into.
"""

import re
from typing import Final

from postroom.mail.mime import Envelope, EnvelopeAddress

MAX_MAILBOXES: Final = 1000  # per field
MAX_TOKENS: Final = 8000  # of one field; the rest is not read

_PLAIN: Final = re.compile(
    rb'[ \t]*+(?:"([^"\\]*+)"[ \t]*+|([^"()<>,;:@\\\r\n]*+))'
    rb'<([^"()<>,;:@\\ \t\r\n]++)@([^"()<>,;:@\\ \t\r\n]++)>[ \t]*+\Z'
)
_TOKEN: Final = re.compile(
    rb'[ \t\r\n]++|"((?:[^"\\]|\\.)*+)"?|([()<>,;:@])|((?:[^ \t\r\n"()<>,;:@\\]|\\.?)++)', re.DOTALL
)
_COMMENT_STEP: Final = re.compile(rb"([^()\\]*+(?:\\.[^()\\]*+)*+)([()]|\\?\Z)", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_GROUP_END: Final = EnvelopeAddress(None, None, None, None)


def envelope_of(fields: dict[bytes, bytes]) -> Envelope:
    """Return the envelope. `fields` maps lower-case names to values that may be folded."""
    from_ = _mailboxes(fields, b"from")
    return Envelope(
        date=_text(fields, b"date"),
        subject=_text(fields, b"subject"),
        from_=from_,
        sender=_reachable(_mailboxes(fields, b"sender")) or from_,
        reply_to=_reachable(_mailboxes(fields, b"reply-to")) or from_,
        to=_mailboxes(fields, b"to"),
        cc=_mailboxes(fields, b"cc"),
        bcc=_mailboxes(fields, b"bcc"),
        in_reply_to=_text(fields, b"in-reply-to"),
        message_id=_text(fields, b"message-id"),
    )


def _text(fields: dict[bytes, bytes], name: bytes) -> bytes | None:
    value = fields.get(name)
    return None if value is None else value.replace(b"\r\n", b"").strip(b" \t")


def _mailboxes(fields: dict[bytes, bytes], name: bytes) -> tuple[EnvelopeAddress, ...]:
    value = fields.get(name)
    return () if value is None else read_mailboxes(value.replace(b"\r\n", b""))


def _reachable(mailboxes: tuple[EnvelopeAddress, ...]) -> tuple[EnvelopeAddress, ...]:
    """Return nothing if no item is a group or has an address, since a name alone cannot be answered."""
    return mailboxes if any(box.host is None or box.mailbox or box.host for box in mailboxes) else ()


def read_mailboxes(text: bytes) -> tuple[EnvelopeAddress, ...]:
    """Return the mailboxes of a list, with RFC 3501's marks at the begin and end of a group; at most 1,000.

    An item without @ has an empty host, because None would mean a group.
    """
    if match := _PLAIN.match(text):
        quoted, plain, local, host = match.groups()
        return (EnvelopeAddress((plain.strip() if quoted is None else quoted) or None, None, local, host),)
    return _Reader(text).run()


class _Reader:
    """Reads one item at a time: words, the text in angle brackets, a comment that may be the name."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.found: list[EnvelopeAddress] = []
        self.in_group = False
        self.tokens = MAX_TOKENS
        self._next_item()

    def _next_item(self) -> None:
        self.words: list[bytes] = []  # a space replaces white space
        self.angle: list[bytes] | None = None
        self.in_angle = False
        self.comment = b""

    def run(self) -> tuple[EnvelopeAddress, ...]:
        text, position, size = self.text, 0, len(self.text)
        while position < size and len(self.found) < MAX_MAILBOXES and self.tokens > 0:
            self.tokens -= 1
            match = _TOKEN.match(text, position)
            if match is None:
                break
            position = match.end()
            quoted, special, atom = match.groups()
            if special == b"(":
                position = self._skip_comment(position)
            elif special is not None:
                self._special(special)
            elif quoted is not None:
                self._word(_ESCAPE.sub(rb"\1", quoted))
            else:
                self._word(b" " if atom is None else atom)
        self._finish_item()
        if self.in_group:
            self.found.append(_GROUP_END)
        return tuple(self.found)

    def _word(self, word: bytes) -> None:
        if self.in_angle and self.angle is not None:
            if word != b" ":
                self.angle.append(word)
        else:
            self.words.append(word)

    def _special(self, special: bytes) -> None:
        if special == b"<":
            self.in_angle, self.angle = True, []
        elif special == b">":
            self.in_angle = False
        elif special == b"@" or (self.in_angle and special in b",:"):
            self._word(special)
        elif special == b":":
            self._begin_group()
        elif special in b",;":
            self._finish_item()
            if special == b";" and self.in_group:
                self.found.append(_GROUP_END)
                self.in_group = False

    def _begin_group(self) -> None:
        if not self.in_group:
            self.found.append(EnvelopeAddress(None, None, b"".join(self.words).strip(), None))
            self.in_group = True
        self._next_item()

    def _skip_comment(self, position: int) -> int:
        begin, depth = position, 1
        while depth and position < len(self.text) and self.tokens > 0:
            self.tokens -= 1
            step = _COMMENT_STEP.match(self.text, position)
            if step is None:
                return len(self.text)
            depth += 1 if step[2] == b"(" else -1
            position = max(step.end(), position + 1)
        self.comment = self.comment or self.text[begin : position - 1].strip()
        return position

    def _finish_item(self) -> None:
        name, address = b"".join(self.words).strip(), self.angle
        if address is None:
            address = [word for word in self.words if word != b" "]
            name = self.comment if any(address) else b""  # a comment alone is not a name
        self._next_item()
        if not any(address) and not name:
            return
        route = None
        if address[:1] == [b"@"] and b":" in address:
            colon = address.index(b":")
            route, address = b"".join(address[:colon]), address[colon + 1 :]
        at = next(
            (index for index in range(len(address) - 1, -1, -1) if address[index] == b"@"), len(address)
        )
        local, host = b"".join(address[:at]), b"".join(address[at + 1 :])
        self.found.append(EnvelopeAddress(name or None, route, local, host))
