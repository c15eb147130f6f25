"""Public key records and private signing keys. RFC 6376 section 3.6, RFC 8301, RFC 8463."""

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from postroom.policy.dkim.signature import a_labels
from postroom.policy.dkim.taglist import TagError, base64_value, items, parse_tags

SMALLEST_RSA_TO_SIGN: Final = 2048
SMALLEST_RSA_TO_VERIFY: Final = 1024  # RFC 8301 section 3.2
LARGEST_RSA: Final = 4096

_PADDING: Final = PKCS1v15()
_SHA256: Final = SHA256()
_LONGEST_RECORD: Final = 8192

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey
PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey


class DkimKeyError(ValueError):
    """A private key that cannot or must not sign. The text never holds key material."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A usable public key. `testing` and `strict` are the flags t=y and t=s."""

    key: PublicKey
    testing: bool
    strict: bool

    @property
    def family(self) -> str:
        """Return the key type of the algorithm that the key serves."""
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"

    def verifies(self, value: bytes, text: bytes) -> bool:
        """Return whether `value` is a signature of `text`."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(value, text, _PADDING, _SHA256)
            else:
                self.key.verify(value, sha256(text).digest())  # RFC 8463 section 3
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=512)
def parse_key_record(text: bytes) -> KeyRecord:
    """Parse a key record (RFC 6376 sections 3.6.1 and 6.1.2). Raises TagError with the reason."""
    try:
        tags = parse_tags(text[:_LONGEST_RECORD].decode("utf-8"))
    except UnicodeDecodeError:
        raise TagError("key record is not UTF-8") from None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise TagError("not a DKIM key record")
    if "sha256" not in items(tags.get("h", "sha256")):
        raise TagError("key does not allow SHA-256")
    if not {"*", "email"}.intersection(items(tags.get("s", "*"))):
        raise TagError("key is not for mail")
    if "p" not in tags:
        raise TagError("key record without a key")
    if not tags["p"]:
        raise TagError("key is revoked")
    flags = items(tags.get("t", ""))
    key = _public_key(tags.get("k", "rsa").lower(), base64_value(tags["p"], "p"))
    return KeyRecord(key, "y" in flags, "s" in flags)


def _public_key(kind: str, octets: bytes) -> PublicKey:
    if kind == "ed25519":
        if len(octets) != 32:
            raise TagError("not an Ed25519 key")
        return Ed25519PublicKey.from_public_bytes(octets)
    if kind != "rsa":
        raise TagError("unknown key type")
    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise TagError("not an RSA key") from None
    if not isinstance(key, RSAPublicKey):
        raise TagError("not an RSA key")
    if not SMALLEST_RSA_TO_VERIFY <= key.key_size <= LARGEST_RSA:
        raise TagError(f"RSA key of {key.key_size} bits is not acceptable")
    return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the name under which its public half is published."""

    domain: str
    selector: str
    key: PrivateKey

    @property
    def algorithm(self) -> str:
        """Return the a= tag."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> str:
        """Return the text of the TXT record at `selector._domainkey.domain`."""
        if isinstance(self.key, RSAPrivateKey):
            public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={b64encode(public).decode('ascii')}"
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={b64encode(raw).decode('ascii')}"

    def signed(self, text: bytes) -> bytes:
        """Return the signature of a text."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(text, _PADDING, _SHA256)
        return self.key.sign(sha256(text).digest())

    def __repr__(self) -> str:
        return f"SigningKey({self.selector}._domainkey.{self.domain}, {self.algorithm})"


def load_key(domain: str, selector: str, pem: bytes) -> SigningKey:
    """Load a signing key from PEM (PKCS #8 or PKCS #1), RSA from 2048 to 4096 bits or Ed25519.

    Raises DkimKeyError: not a key, another kind or size, or a domain or selector that DNS cannot hold.
    """
    try:
        domain, selector = a_labels(domain), a_labels(selector)
    except TagError:
        raise DkimKeyError("domain or selector is not a DNS name") from None
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DkimKeyError(f"no private key in PEM form for {selector}._domainkey.{domain}") from None
    if isinstance(key, RSAPrivateKey):
        if not SMALLEST_RSA_TO_SIGN <= key.key_size <= LARGEST_RSA:
            raise DkimKeyError(f"an RSA key needs 2048 to 4096 bits, this one has {key.key_size}")
    elif not isinstance(key, Ed25519PrivateKey):
        raise DkimKeyError("only RSA and Ed25519 keys sign mail")
    return SigningKey(domain, selector, key)
