"""Does the certificate that a host has still hold? Then nothing need be issued.

Room rule: pure; the time comes in as an argument.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
REQUEST = re.compile(r"-----BEGIN CERTIFICATE REQUEST-----.*?-----END CERTIFICATE REQUEST-----", re.DOTALL)


def certificate_holds(found: str, names: list[str], ca: str, renew_days: int, now: datetime) -> bool:
    """Whether `found` (PEM: the host's certificate, if any, then a request made with its key) needs no new issue.

    It holds when it belongs to that key, covers exactly `names`, is signed by `ca` and ends later than `renew_days`
    from `now`.
    """
    certificate_pem, request_pem = CERTIFICATE.search(found), REQUEST.search(found)
    if certificate_pem is None or request_pem is None:
        return False
    certificate = x509.load_pem_x509_certificate(certificate_pem[0].encode())
    request = x509.load_pem_x509_csr(request_pem[0].encode())
    if certificate.public_key() != request.public_key() or covered(certificate) != set(names):
        return False
    if not signed_by(certificate, x509.load_pem_x509_certificate(ca.encode())):
        return False
    return ends(certificate) - now.replace(tzinfo=UTC) > timedelta(days=renew_days)


def covered(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return set(extension.value.get_values_for_type(x509.DNSName))


def signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def ends(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"tls_certificate_holds": certificate_holds}
