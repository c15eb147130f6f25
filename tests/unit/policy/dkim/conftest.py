"""Keys, made once: RSA keys are slow to make."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from postroom.policy.dkim import SigningKey, load_key


def pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def pem_of() -> Callable[..., bytes]:
    return pem


@pytest.fixture(scope="session")
def rsa_key() -> SigningKey:
    return load_key("alpha.example", "r2026", pem(generate_private_key(65537, 2048)))


@pytest.fixture(scope="session")
def ed_key() -> SigningKey:
    return load_key("alpha.example", "e2026", pem(Ed25519PrivateKey.generate()))


@pytest.fixture(scope="session")
def keys(rsa_key: SigningKey, ed_key: SigningKey) -> list[SigningKey]:
    return [rsa_key, ed_key]


@pytest.fixture(scope="session")
def records(keys: list[SigningKey]) -> dict[tuple[str, str], list[bytes]]:
    """The zone in which the keys are published."""
    return {(f"{key.selector}._domainkey.{key.domain}", "TXT"): [key.record.encode()] for key in keys}
