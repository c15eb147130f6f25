"""Certificates that somebody asks for or gives: may the own CA issue them, do certificate and key belong together?

Room rule: pure; the files' contents come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def given_faults(chain: str, key: str) -> str:
    """What is wrong, with the remedy; empty when the agents can serve this. Neither content is told."""
    try:
        certificate = x509.load_pem_x509_certificates(chain.encode())[0]
    except (ValueError, IndexError):
        return "certificate_file holds no certificate: give one in PEM form, with those that vouch for it behind it"
    try:
        private_key = load_pem_private_key(key.encode(), password=None)
    except TypeError:
        return "key_file is locked by a password: give the key without one"
    except ValueError:
        return "key_file holds no private key: give one in PEM form"
    if certificate.public_key() != private_key.public_key():
        return "certificate_file is not for the key in key_file: give two that belong together"
    return ""


def foreign_names(
    asked: Iterable[str], companies: Iterable[Mapping[str, Any]], hosts: Iterable[str]
) -> list[str]:
    """Names outside the companies' domains and hosts: the own CA's constraints forbid them (RFC 5280 4.2.1.10)."""
    permitted = [*(domain.lower() for company in companies for domain in company["domains"]), *hosts]
    return [
        name
        for name in asked
        if not any(f".{name.removeprefix('*.')}".lower().endswith(f".{one}") for one in permitted)
    ]


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_foreign_names": foreign_names,
            "postroom_given_certificate_faults": given_faults,
        }
