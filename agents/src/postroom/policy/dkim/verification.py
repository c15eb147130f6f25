"""Verifying the signatures of a message. RFC 6376 section 6, RFC 8301, RFC 8601 section 2.7.1.

Room rule: each combination of canonical form and length is hashed once, however many signatures use it. A signature
that cannot pass costs no lookup and no arithmetic.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from postroom.mail.headers import Field, HeaderBlock, read_headers
from postroom.policy.dkim.canonical import BodyHash, Canonicalization, canonical_field
from postroom.policy.dkim.keys import KeyRecord, parse_key_record
from postroom.policy.dkim.signature import Signature, parse_signature, without_value
from postroom.policy.dkim.taglist import TagError
from postroom.policy.lookups import Answer, Lookups, LookupStatus, Query, RecordType

MAX_SIGNATURES: Final = 8
CLOCK_SKEW: Final = 300  # seconds that a signer's clock may be ahead
_NAME: Final = b"dkim-signature"

# the key of a shared body hash: canonical form and l= tag
_Part: TypeAlias = tuple[Canonicalization, int | None]


class DkimResult(StrEnum):
    """RFC 8601 section 2.7.1."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """The result for one signature. `testing` means that its key says t=y.

    `domain`, `selector`, `identity`, `algorithm` and `signature` (the first octets of the b= tag) are empty if the
    signature could not be parsed. `reason` is our own text, not foreign.
    """

    result: DkimResult
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    signature: str = ""
    reason: str = ""
    testing: bool = False


class Verification:
    """One message under verification: header first, then body chunks, then the keys.

    >>> verification = Verification(block)          # verification.queries lists the keys, to be fetched early
    >>> verification.update(chunk)                  # for each chunk of the body
    >>> verdicts = yield from verification.results(now)
    """

    def __init__(self, block: HeaderBlock, *, max_signatures: int = MAX_SIGNATURES) -> None:
        self._header = _SignedHeader(block)
        self._candidates: list[Signature | DkimVerdict] = [
            _read(field) for field in block.all(_NAME)[:max_signatures]
        ]
        self._bodies: dict[_Part, BodyHash] = {}
        for signature in self._signatures:
            part = (signature.body_form, signature.length)
            if part not in self._bodies:
                self._bodies[part] = BodyHash(*part)

    @property
    def _signatures(self) -> Iterable[Signature]:
        return (one for one in self._candidates if isinstance(one, Signature))

    @property
    def queries(self) -> tuple[Query, ...]:
        """Return the key queries, each once, so that they can be fetched while the body arrives."""
        names = dict.fromkeys(signature.key_name for signature in self._signatures)
        return tuple(Query(name, RecordType.TXT) for name in names)

    @property
    def wants_body(self) -> bool:
        """Return whether any signature needs the body; if not, `update` may be omitted."""
        return bool(self._bodies)

    def update(self, octets: bytes | bytearray | memoryview) -> None:
        """Take the next octets of the body."""
        for body in self._bodies.values():
            body.update(octets)

    def results(self, now: int) -> Lookups[tuple[DkimVerdict, ...]]:
        """Return a verdict for each signature, from the top; none for an unsigned message.

        `now`: seconds since the epoch. No body may be fed after the first lookup.
        """
        digests = {part: body.digest() for part, body in self._bodies.items()}
        judged = [self._before_key(one, digests, now) for one in self._candidates]
        names = dict.fromkeys(one.key_name for one in judged if isinstance(one, Signature))
        keys: dict[str, Answer] = {}
        if names:
            answers = yield tuple(Query(name, RecordType.TXT) for name in names)
            keys = dict(zip(names, answers, strict=True))
        return tuple(
            _with_key(one, keys[one.key_name], self._header) if isinstance(one, Signature) else one
            for one in judged
        )

    def _before_key(
        self, one: Signature | DkimVerdict, digests: dict[_Part, bytes], now: int
    ) -> Signature | DkimVerdict:
        """Return the verdict if it does not depend on the key, otherwise the signature."""
        if isinstance(one, DkimVerdict):
            return one
        part = (one.body_form, one.length)
        return _without_key(one, digests[part], self._bodies[part].size, now) or one


def verify(
    message: bytes, *, now: int, max_signatures: int = MAX_SIGNATURES
) -> Lookups[tuple[DkimVerdict, ...]]:
    """Verify a message in one piece. Raises HeaderError."""
    block = read_headers(message)
    verification = Verification(block, max_signatures=max_signatures)
    if verification.wants_body:
        verification.update(memoryview(message)[block.body_offset :])
    return verification.results(now)


class _SignedHeader:
    """The header block for all signatures. Each field is brought into a canonical form once."""

    def __init__(self, block: HeaderBlock) -> None:
        self._fields: dict[str, list[Field]] = {}
        self._canonical: dict[tuple[str, Canonicalization], list[bytes]] = {}
        for field in reversed(block.fields):
            if field.key:
                self._fields.setdefault(field.key.decode("ascii"), []).append(field)

    def text(self, signature: Signature) -> bytes:
        """Return the signed text (RFC 6376 sections 3.7 and 5.4.2): fields from the bottom, absent ones empty."""
        taken: dict[str, int] = {}
        parts: list[bytes] = []
        for name in signature.signed:
            if name in self._fields:
                fields = self._form(name, signature.header_form)
                index = taken.get(name, 0)
                if index < len(fields):
                    parts.append(fields[index])
                    taken[name] = index + 1
        own = canonical_field(without_value(signature.field), signature.header_form)
        parts.append(own.removesuffix(b"\r\n"))
        return b"".join(parts)

    def _form(self, name: str, form: Canonicalization) -> list[bytes]:
        """Return all fields with a name in a canonical form, from the bottom."""
        found = self._canonical.get((name, form))
        if found is None:
            found = [canonical_field(field, form) for field in self._fields[name]]
            self._canonical[name, form] = found
        return found


def _read(field: Field) -> Signature | DkimVerdict:
    try:
        return parse_signature(field)
    except TagError as mistake:
        return DkimVerdict(DkimResult.PERMERROR, reason=str(mistake))


def _verdict(
    signature: Signature, result: DkimResult, reason: str = "", *, testing: bool = False
) -> DkimVerdict:
    return DkimVerdict(
        result,
        signature.domain,
        signature.selector,
        signature.identity,
        signature.algorithm,
        signature.head,
        reason,
        testing,
    )


def _without_key(signature: Signature, digest: bytes, size: int, now: int) -> DkimVerdict | None:
    """Check what does not need the key: time, length and body hash (RFC 6376 sections 6.1.1 and 6.1.3)."""
    if signature.expiry is not None and signature.expiry < now:
        return _verdict(signature, DkimResult.FAIL, "signature has expired")
    if signature.time is not None and signature.time > now + CLOCK_SKEW:
        return _verdict(signature, DkimResult.FAIL, "signature is from the future")
    if signature.length is not None and signature.length > size:
        return _verdict(signature, DkimResult.FAIL, "body is shorter than what was signed")
    if digest != signature.body_hash:
        return _verdict(signature, DkimResult.FAIL, "body has been altered")
    if signature.length is not None and signature.length < size:
        return _verdict(signature, DkimResult.POLICY, "signature leaves a part of the body uncovered")
    return None


def _with_key(signature: Signature, answer: Answer, header: _SignedHeader) -> DkimVerdict:
    if answer.status is LookupStatus.TEMPORARY:
        return _verdict(signature, DkimResult.TEMPERROR, "DNS failure for the key")
    try:
        record = _usable_key(answer)
    except TagError as mistake:
        return _verdict(signature, DkimResult.PERMERROR, str(mistake))
    if record.family != signature.algorithm.partition("-")[0]:
        return _verdict(signature, DkimResult.PERMERROR, "key is of another type")
    if record.strict and signature.identity_domain != signature.domain:
        return _verdict(signature, DkimResult.PERMERROR, "key is not for subdomains")
    if record.verifies(signature.value, header.text(signature)):
        return _verdict(signature, DkimResult.PASS, testing=record.testing)
    if record.testing:  # RFC 6376 section 3.6.1: treat it as unsigned
        return _verdict(signature, DkimResult.NEUTRAL, "signature of a test key did not verify", testing=True)
    return _verdict(signature, DkimResult.FAIL, "signature did not verify")


def _usable_key(answer: Answer) -> KeyRecord:
    """Return the first usable key record. Raises TagError with the reason of the first one that is not usable."""
    mistake = TagError("no key for the signature")
    for index, text in enumerate(answer.texts[:4]):
        try:
            return parse_key_record(text)
        except TagError as one:
            mistake = one if index == 0 else mistake
    raise mistake
