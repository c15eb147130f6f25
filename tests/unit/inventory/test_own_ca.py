"""The own CA is limited to the names it is made for, and keeps its key when they change."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from .conftest import load

own_ca = load("plugins/plugin_utils/own_ca.py").own_ca
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_it_may_sign_certificates_for_its_names_and_nothing_else() -> None:
    made = own_ca({}, ["alpha.example", "mail.alpha.example"], "Alpha, Beta", NOW)
    certificate = x509.load_pem_x509_certificate(made["certificate"].encode())
    certificate.verify_directly_issued_by(certificate)
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert limits.value.permitted_subtrees == [
        x509.DNSName("alpha.example"),
        x509.DNSName("mail.alpha.example"),
    ]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign) == (True, True)
    assert not usage.digital_signature
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3650)
    assert certificate.subject.rfc4514_string() == "O=Alpha\\, Beta,CN=Postroom own CA"


def test_new_names_renew_the_certificate_under_the_same_key() -> None:
    made = own_ca({}, ["alpha.example"], "Alpha", NOW)
    again = own_ca(made, ["alpha.example", "beta.example"], "Alpha", NOW)
    assert again["key"] == made["key"]
    old, new = (x509.load_pem_x509_certificate(ca["certificate"].encode()) for ca in (made, again))
    assert new.public_key() == old.public_key()
    assert new.subject == old.subject
