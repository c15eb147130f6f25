"""Do a certificate and a key that somebody gives belong together? Else the agents would not start with them.

Room rule: pure; the files' contents come in.
"""

from __future__ import annotations

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


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_given_certificate_faults": given_faults}
