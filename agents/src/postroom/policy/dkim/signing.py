"""Signing a message. RFC 6376 section 5, RFC 8463.

Room rule: fields that readers rely on are signed once more often than they occur, so that nobody can add another one in
transit (section 8.15). Never an l= tag, which would let anybody append (section 8.2).
"""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from postroom.mail.headers import Field, HeaderBlock, read_headers
from postroom.policy.dkim.canonical import BodyHash, Canonicalization, canonical_field
from postroom.policy.dkim.keys import SigningKey

OVERSIGNED: Final = (
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
# Mailing lists add these to an otherwise unchanged message: existing ones are signed, additions are allowed.
SIGNED: Final = (
    "Sender",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-Message-ID",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
)
_RELAXED: Final = Canonicalization.RELAXED
_KEY: Final = b"dkim-signature"


def sign(
    block: HeaderBlock,
    body_digest: bytes,
    keys: Sequence[SigningKey],
    *,
    now: int,
    lifetime: int | None = None,
) -> bytes:
    """Return one DKIM-Signature field per key, to be put before the block.

    `body_digest` is `BodyHash().digest()` over the body, relaxed. `now` is in seconds since the epoch; `lifetime` in
    seconds sets the x= tag.
    """
    names, fields = _chosen(block)
    signed_text = b"".join(canonical_field(field, _RELAXED) for field in fields)
    times = f"t={now};" if lifetime is None else f"t={now}; x={now + lifetime};"
    listed = _folded_names(names)
    digest = b64encode(body_digest).decode("ascii")
    result: list[bytes] = []
    for key in keys:
        field = (
            f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};\r\n"
            f" s={key.selector}; {times}\r\n h={listed};\r\n bh={digest};\r\n b="
        ).encode("ascii")
        canonical = canonical_field(Field(_KEY, field, 0), _RELAXED).removesuffix(b"\r\n")
        result.append(field + _folded_value(key.signed(signed_text + canonical)) + b"\r\n")
    return b"".join(result)


def sign_message(
    message: bytes, keys: Sequence[SigningKey], *, now: int, lifetime: int | None = None
) -> bytes:
    """Sign a message in one piece, and return only the new fields."""
    block = read_headers(message)
    body = BodyHash()
    body.update(memoryview(message)[block.body_offset :])
    return sign(block, body.digest(), keys, now=now, lifetime=lifetime)


def _chosen(block: HeaderBlock) -> tuple[list[str], list[Field]]:
    """Return the names of the h= tag and their fields, each name from the bottom (section 5.4.2)."""
    present: defaultdict[bytes, list[Field]] = defaultdict(list)
    for field in reversed(block.fields):
        present[field.key].append(field)
    names: list[str] = []
    fields: list[Field] = []
    for name in (*OVERSIGNED, *SIGNED):
        found = present.get(name.lower().encode("ascii"), [])
        names += [name] * len(found)
        fields += found
    return [*names, *OVERSIGNED], fields


def _folded_names(names: Sequence[str]) -> str:
    lines: list[str] = []
    line = " h="
    for name in names:
        if len(line) + len(name) > 75:
            lines.append(line)
            line = "  "
        line += name + ":"
    return "\r\n".join([*lines, line])[3:].removesuffix(":")


def _folded_value(value: bytes) -> bytes:
    text = b64encode(value)
    lines = [text[:74], *(text[start : start + 76] for start in range(74, len(text), 76))]
    return b"\r\n ".join(lines)
