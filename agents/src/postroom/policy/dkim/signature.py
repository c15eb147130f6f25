"""The DKIM-Signature field. RFC 6376 section 3.5, RFC 8301, RFC 8463, RFC 8616."""

import re
from dataclasses import dataclass
from typing import Final

from postroom.mail.headers import Field
from postroom.policy.dkim.canonical import Canonicalization
from postroom.policy.dkim.taglist import TagError, base64_value, items, parse_tags

ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})
_REQUIRED: Final = ("v", "a", "b", "bh", "d", "h", "s")
_MAX_SIGNED_FIELDS: Final = 2000
_DIGITS: Final = re.compile(r"[0-9]{1,76}\Z")
_LABELS: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\Z")


@dataclass(frozen=True, slots=True)
class Signature:
    """One syntactically valid signature. Domains are in lower case and A-label form."""

    field: Field
    algorithm: str
    value: bytes
    body_hash: bytes
    header_form: Canonicalization
    body_form: Canonicalization
    domain: str
    selector: str
    identity: str
    signed: tuple[str, ...]
    length: int | None
    time: int | None
    expiry: int | None
    head: str

    @property
    def key_name(self) -> str:
        """Return the name under which the public key is published (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def identity_domain(self) -> str:
        """Return the domain of the i= tag."""
        return self.identity.rpartition("@")[2]


def parse_signature(field: Field) -> Signature:
    """Parse a DKIM-Signature field. Raises TagError with the reason."""
    try:
        tags = parse_tags(field.body.decode("utf-8"))
    except UnicodeDecodeError:
        raise TagError("signature is not UTF-8") from None
    missing = [name for name in _REQUIRED if name not in tags]
    if missing:
        raise TagError(f"no {missing[0]} tag")
    if tags["v"] != "1":
        raise TagError("unknown version")
    algorithm = tags["a"].lower()
    if algorithm not in ALGORITHMS:
        raise TagError(
            "algorithm rsa-sha1 is not acceptable" if algorithm == "rsa-sha1" else "unknown algorithm"
        )
    if "q" in tags and "dns/txt" not in items(tags["q"]):
        raise TagError("unknown query method")
    header_form, body_form = _forms(tags.get("c", "simple/simple"))
    domain = a_labels(tags["d"])
    time, expiry = _number(tags, "t"), _number(tags, "x")
    if time is not None and expiry is not None and expiry <= time:
        raise TagError("signature expires before it was made")
    return Signature(
        field=field,
        algorithm=algorithm,
        value=base64_value(tags["b"], "b"),
        body_hash=base64_value(tags["bh"], "bh"),
        header_form=header_form,
        body_form=body_form,
        domain=domain,
        selector=a_labels(tags["s"]),
        identity=_identity(tags.get("i", ""), domain),
        signed=_signed(tags["h"]),
        length=_number(tags, "l"),
        time=time,
        expiry=expiry,
        head="".join(tags["b"][:40].split())[:8],
    )


def without_value(field: Field) -> Field:
    """Return the signature field as it was hashed: with an empty b= tag (RFC 6376 section 3.7)."""
    colon = field.raw.find(b":") + 1
    parts = field.raw[colon:].removesuffix(b"\r\n").split(b";")
    for index, part in enumerate(parts):
        name, equals, _ = part.partition(b"=")
        if name.strip(b" \t\r\n") == b"b":
            parts[index] = name + equals
            break
    return Field(field.key, field.raw[:colon] + b";".join(parts), field.start)


def a_labels(name: str) -> str:
    """Return a domain or selector in lower case and A-label form (RFC 8616 section 4). Raises TagError."""
    name = name.lower()
    if len(name) <= 253 and not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise TagError("not a domain name") from None
    if len(name) > 253 or not _LABELS.match(name):
        raise TagError("not a domain name")
    return name


def _forms(text: str) -> tuple[Canonicalization, Canonicalization]:
    header, _, body = text.lower().partition("/")
    try:
        return Canonicalization(header), Canonicalization(body or "simple")
    except ValueError:
        raise TagError("unknown canonicalization") from None


def _number(tags: dict[str, str], name: str) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if not _DIGITS.match(text):
        raise TagError(f"tag {name} is not a number")
    return int(text)


def _signed(text: str) -> tuple[str, ...]:
    names = items(text)
    if "from" not in names:
        raise TagError("From is not signed")
    if len(names) > _MAX_SIGNED_FIELDS:
        raise TagError("too many signed fields")
    return names


def _identity(text: str, domain: str) -> str:
    """Return the i= tag, which must be within the d= domain (RFC 6376 section 3.5)."""
    if not text:
        return "@" + domain
    local, at, of = text.rpartition("@")
    if not at:
        raise TagError("identity without @")
    of = a_labels(of)
    if of != domain and not of.endswith("." + domain):
        raise TagError("identity outside of the signing domain")
    return f"{local}@{of}"
