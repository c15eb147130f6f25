"""The record model, checked by reading it back with dnspython and as a receiver would."""

import base64
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .conftest import load

model = load("plugins/filter/records.py")
draw = load("plugins/plugin_utils/drawing.py").Drawn()
KEYS = {
    selector: {"algorithm": algorithm, "private_key": draw.dkim_key(algorithm, 2048)}
    for selector, algorithm in (("rsa1", "rsa"), ("ed1", "ed25519"))
}


def values(found: list[dict[str, Any]], name: str, kind: str) -> list[str]:
    return [record["value"] for record in found if (record["name"], record["type"]) == (name, kind)]


def joined(value: str) -> str:
    """A TXT value as a receiver joins it."""
    parsed = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, value)
    return b"".join(parsed.strings).decode()


@pytest.fixture
def found(company: dict[str, Any], hosts: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = model.records([company], hosts, {"alpha.example": KEYS})
    return result


def test_every_record_is_well_formed(found: list[dict[str, Any]]) -> None:
    for record in found:
        assert record["name"].endswith(".")
        dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(record["type"]), record["value"])


def test_a_domain_leads_to_its_home(found: list[dict[str, Any]]) -> None:
    assert values(found, "alpha.example.", "MX") == ["10 mail.alpha.example."]
    assert values(found, "mail.alpha.example.", "A") == ["192.0.2.1"]
    assert values(found, "mail.alpha.example.", "AAAA") == ["2001:db8::1"]


def test_further_exchangers_come_in_order(company: dict[str, Any], hosts: dict[str, dict[str, str]]) -> None:
    company["domains"]["alpha.example"]["mx"] = ["mail.alpha.example", "ns.example"]
    found = model.records([company], hosts, {})
    assert values(found, "alpha.example.", "MX") == ["10 mail.alpha.example.", "20 ns.example."]


def test_addresses_lead_back_to_the_host(found: list[dict[str, Any]]) -> None:
    assert values(found, "1.2.0.192.in-addr.arpa.", "PTR") == ["mail.alpha.example."]
    pointers = [
        record for record in found if record["type"] == "PTR" and record["name"].endswith("ip6.arpa.")
    ]
    assert [record["value"] for record in pointers] == ["mail.alpha.example."]
    assert pointers[0]["name"].startswith("1.0.0.0.")


def test_sender_policies(found: list[dict[str, Any]]) -> None:
    assert values(found, "alpha.example.", "TXT") == ['"v=spf1 a:mail.alpha.example -all"']
    assert values(found, "mail.alpha.example.", "TXT") == ['"v=spf1 a -all"']
    assert values(found, "ns.example.", "TXT") == ['"v=spf1 -all"']
    assert values(found, "ns.example.", "MX") == ["0 ."]


def test_both_dkim_keys_can_be_read_back(found: list[dict[str, Any]]) -> None:
    (rsa_value,) = values(found, "rsa1._domainkey.alpha.example.", "TXT")
    (ed_value,) = values(found, "ed1._domainkey.alpha.example.", "TXT")
    rsa_key = load_der_public_key(base64.b64decode(joined(rsa_value).partition("p=")[2]))
    assert isinstance(rsa_key, rsa.RSAPublicKey)
    assert rsa_key.key_size == 2048
    ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(joined(ed_value).partition("p=")[2]))


def test_long_text_is_split_at_255_octets() -> None:
    value = "x" * 255 + "y" * 255 + "z"
    assert joined(model.text(value)) == value
    assert max(len(part) for part in model.text(value).split(" ")) == 257


def test_quotes_and_backslashes_survive() -> None:
    assert joined(model.text('a"b\\c')) == 'a"b\\c'


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, "v=DMARC1; p=quarantine"),
        ({"policy": "reject", "subdomain_policy": "none"}, "v=DMARC1; p=reject; sp=none"),
        ({"policy": "none", "reports": "d@alpha.example"}, "v=DMARC1; p=none; rua=mailto:d@alpha.example"),
    ],
)
def test_dmarc(options: dict[str, str], value: str) -> None:
    assert model.dmarc_record(options) == value


def test_a_service_that_is_not_offered_is_denied(
    company: dict[str, Any], hosts: dict[str, dict[str, str]]
) -> None:
    company["client_services"] = ["submissions", "imaps"]
    found = model.records([company], hosts, {})
    assert values(found, "_imaps._tcp.alpha.example.", "SRV") == ["0 1 993 mail.alpha.example."]
    assert values(found, "_pop3s._tcp.alpha.example.", "SRV") == ["0 0 0 ."]
    assert values(found, "_submission._tcp.alpha.example.", "SRV") == ["0 0 0 ."]


def test_the_order_of_keys_in_the_vault_changes_nothing(
    company: dict[str, Any], hosts: dict[str, dict[str, str]]
) -> None:
    backwards = dict(reversed(KEYS.items()))
    assert model.records([company], hosts, {"alpha.example": KEYS}) == model.records(
        [company], hosts, {"alpha.example": backwards}
    )
