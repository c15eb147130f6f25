"""Certificates that somebody gives: told before the first change when the agents could not serve them."""

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from .conftest import load

PLUGIN = load("plugins/filter/given_certificates.py")
faults, foreign_names = PLUGIN.given_faults, PLUGIN.foreign_names

AUTHORITY = trustme.CA()
ONE, OTHER = AUTHORITY.issue_cert("mail.example.org"), AUTHORITY.issue_cert("mail.example.org")
CHAIN = "".join(part.bytes().decode() for part in ONE.cert_chain_pems)
LOCKED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
)


def key(issued: trustme.LeafCert) -> str:
    return issued.private_key_pem.bytes().decode()


def test_a_pair_is_sound() -> None:
    assert faults(CHAIN, key(ONE)) == ""
    assert faults(CHAIN + AUTHORITY.cert_pem.bytes().decode(), key(ONE)) == ""


@pytest.mark.parametrize(
    ("chain", "private", "said"),
    [
        (CHAIN, key(OTHER), "certificate_file is not for the key in key_file"),
        (key(ONE), key(ONE), "certificate_file holds no certificate"),
        ("", key(ONE), "certificate_file holds no certificate"),
        (CHAIN, CHAIN, "key_file holds no private key"),
        (CHAIN, "", "key_file holds no private key"),
        (CHAIN, LOCKED.decode(), "key_file is locked by a password"),
    ],
)
def test_what_cannot_be_served_is_told(chain: str, private: str, said: str) -> None:
    assert faults(chain, private).startswith(said)


@pytest.mark.parametrize(
    ("asked", "foreign"),
    [
        (["mail.alpha.example", "alpha.example", "*.alpha.example", "Deep.Under.Alpha.Example"], []),
        (["host.provider.example"], []),
        (
            ["mail.other.example", "notalpha.example", "example", "*.example"],
            ["mail.other.example", "notalpha.example", "example", "*.example"],
        ),
    ],
)
def test_the_own_ca_vouches_for_the_companies_alone(asked: list[str], foreign: list[str]) -> None:
    companies = [{"domains": {"alpha.example": {}}}]
    assert foreign_names(asked, companies, {"host.provider.example": {}}) == foreign
