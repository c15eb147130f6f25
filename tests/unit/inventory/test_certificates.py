"""When a host's certificate still holds, and when it must be issued anew."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from .conftest import load

holds = load("plugins/filter/certificates.py").certificate_holds

NOW = datetime(2026, 11, 23)
NAMES = ["mail.alpha.example", "alpha.example"]


def authority(name: str = "CA") -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return issued(key, key, name, name, [], 3650), key


def issued(
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    subject: str,
    issuer: str,
    names: list[str],
    days: int,
) -> x509.Certificate:
    as_name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])  # noqa: E731
    builder = (
        x509.CertificateBuilder()
        .subject_name(as_name(subject))
        .issuer_name(as_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False
        )
    return builder.sign(signer, SHA256())


CA, CA_KEY = authority()
HOST_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return thing.public_bytes(Encoding.PEM).decode()


def found(names: list[str] | None = None, days: int = 397, key: ec.EllipticCurvePrivateKey = HOST_KEY) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(HOST_KEY, SHA256())
    return pem(issued(key, CA_KEY, "host", "CA", names or NAMES, days)) + pem(request)


def test_it_holds() -> None:
    assert holds(found(), NAMES, pem(CA), 30, NOW)
    assert holds(found(list(reversed(NAMES))), NAMES, pem(CA), 30, NOW.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param("", id="nothing there"),
        pytest.param(found(["mail.alpha.example"]), id="a name is missing"),
        pytest.param(found([*NAMES, "more.example"]), id="a name too many"),
        pytest.param(found(days=29), id="ends soon"),
        pytest.param(found(key=ec.generate_private_key(ec.SECP256R1())), id="of another key"),
    ],
)
def test_it_does_not_hold(spoilt: str) -> None:
    assert not holds(spoilt, NAMES, pem(CA), 30, NOW)


def test_another_authority_of_the_same_name_does_not_count() -> None:
    assert not holds(found(), NAMES, pem(authority()[0]), 30, NOW)
