"""Certificates that somebody asks for or gives: may the own CA issue them, can the agents serve them, for how long?

Room rule: decides by what it is given; only `file_faults` and `file_advice` read files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SOON = timedelta(days=21)  # after which a certificate should have been renewed by whatever renews it

HostVars = Mapping[str, Mapping[str, Any]]


def given_faults(chain: str, key: str, names: Iterable[str], now: datetime) -> str:
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
    if certificate.not_valid_after_utc < now:
        return f"certificate_file ended on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it"
    if certificate.not_valid_before_utc > now:
        begin = certificate.not_valid_before_utc
        return f"certificate_file is valid only from {begin:%Y-%m-%d} on: give one that is valid now"
    known = covered(certificate)
    if missing := [name for name in names if not covers(known, name.lower())]:
        whose = ", ".join(known) or "no host"
        return f"certificate_file is for {whose}, not for {', '.join(missing)}: correct names or the file"
    return ""


def covered(certificate: x509.Certificate) -> list[str]:
    """Return the names of a certificate; clients look nowhere but here (RFC 9525 section 6.3)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def covers(known: Iterable[str], name: str) -> bool:
    """Whether one of the names is this one; `*` stands for one label."""
    return name in known or f"*.{name.partition('.')[2]}" in known


def file_faults(hostvars: HostVars, hosts: Iterable[str], companies: Any, known: Iterable[str]) -> list[str]:
    """Return a sentence for each set of `site_tls_certificates` that cannot be issued or served. Reads the files."""
    found: dict[str, None] = {}
    known = list(known)
    for entry in entries(hostvars, hosts):
        where = f"site_tls_certificates: {entry['name']}:"
        if "certificate_file" not in entry or "key_file" not in entry:
            if foreign := foreign_names(entry["names"], companies, known):
                found[
                    f"{where} {', '.join(foreign)}: the own CA is limited to the companies' domains and hosts; "
                    "take the name out, or give certificate_file and key_file"
                ] = None
            continue
        paths = [Path(entry[option]).expanduser() for option in ("certificate_file", "key_file")]
        missing = [path for path in paths if not path.is_file()]
        for path in missing:
            found[f"{where} {path} is no file on this machine: correct the path"] = None
        if not missing:
            chain, key = (path.read_text(errors="replace") for path in paths)
            if fault := given_faults(chain, key, entry["names"], datetime.now(UTC)):
                found[f"{where} {fault}"] = None
    return list(found)


def file_advice(hostvars: HostVars, hosts: Iterable[str]) -> list[str]:
    """Return a sentence for each given certificate that ends soon."""
    found: dict[str, None] = {}
    for entry in entries(hostvars, hosts):
        try:
            text = Path(entry.get("certificate_file", "")).expanduser().read_bytes()
            end = x509.load_pem_x509_certificates(text)[0].not_valid_after_utc
        except (OSError, ValueError, IndexError):
            continue
        if end < datetime.now(UTC) + SOON:
            found[f"site_tls_certificates: {entry['name']}: the certificate ends on {end:%Y-%m-%d}: renew it"] = None
    return list(found)


def entries(hostvars: HostVars, hosts: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the sets of all hosts; those of a wrong form are told by setting_faults.py."""
    for host in hosts:
        given = hostvars[host].get("site_tls_certificates")
        for entry in given if isinstance(given, list) else ():
            if isinstance(entry, Mapping) and isinstance(entry.get("names"), list) and entry.get("name"):
                yield {**entry, "names": [str(name) for name in entry["names"]]}


def foreign_names(
    asked: Iterable[str], companies: Iterable[Mapping[str, Any]], hosts: Iterable[str]
) -> list[str]:
    """Names outside the companies' domains and hosts: the own CA's constraints forbid them (RFC 5280 4.2.1.10)."""
    permitted = [*(domain.lower() for company in companies for domain in company["domains"] or ()), *hosts]
    return [
        name
        for name in asked
        if not any(f".{name.removeprefix('*.')}".lower().endswith(f".{one}") for one in permitted)
    ]


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_certificate_faults": file_faults,
            "postroom_certificate_advice": file_advice,
        }
