"""Certificates that somebody gives: told before the first change when the agents could not serve them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from .conftest import load

PLUGIN = load("plugins/filter/given_certificates.py")
foreign_names = PLUGIN.foreign_names
NAME = "mail.example.org"
NOW = datetime.now(UTC)

AUTHORITY = trustme.CA()
ONE, OTHER = AUTHORITY.issue_cert("mail.example.org"), AUTHORITY.issue_cert("mail.example.org")
CHAIN = "".join(part.bytes().decode() for part in ONE.cert_chain_pems)
LOCKED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
)


def faults(chain: str, private: str, names: tuple[str, ...] = (NAME,), now: datetime = NOW) -> str:
    found: str = PLUGIN.given_faults(chain, private, names, now)
    return found


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


def test_a_certificate_holds_for_a_time() -> None:
    later = datetime(9000, 1, 1, tzinfo=UTC)
    assert "ended on" in faults(CHAIN, key(ONE), now=later)
    assert "is valid only from" in faults(CHAIN, key(ONE), now=datetime(1990, 1, 1, tzinfo=UTC))


def test_a_certificate_holds_for_its_names() -> None:
    assert faults(CHAIN, key(ONE), ("MAIL.example.org",)) == ""
    assert "is for mail.example.org, not for mx.example.org" in faults(
        CHAIN, key(ONE), (NAME, "mx.example.org")
    )
    wild = AUTHORITY.issue_cert("*.example.org")
    chain = wild.cert_chain_pems[0].bytes().decode()
    assert faults(chain, key(wild), (NAME, "*.example.org")) == ""
    assert "not for deep.mail.example.org" in faults(chain, key(wild), ("deep.mail.example.org",))
    assert "not for example.org" in faults(chain, key(wild), ("example.org",))


def test_a_certificate_that_ends_soon_is_advice(tmp_path: Path) -> None:
    soon = AUTHORITY.issue_cert(NAME, not_after=NOW + timedelta(days=5))
    path = tmp_path / "chain.pem"
    path.write_bytes(soon.cert_chain_pems[0].bytes())
    entry = {"name": NAME, "names": [NAME], "certificate_file": str(path), "key_file": "/key.pem"}
    (said,) = PLUGIN.file_advice({NAME: {"site_tls_certificates": [entry]}}, [NAME])
    assert said.endswith(f"the certificate ends on {NOW + timedelta(days=5):%Y-%m-%d}: renew it")
    path.write_text(CHAIN)
    assert PLUGIN.file_advice({NAME: {"site_tls_certificates": [entry]}}, [NAME]) == []
