"""Certificates: the right names, the right owners, and trusted by the other company's host."""

from typing import Any

testinfra_hosts = ["ansible://mail_hosts"]

FOLDER = "/etc/postroom/tls"


def test_only_root_and_the_group_read_the_key(host: Any, name: str) -> None:
    key = host.file(f"{FOLDER}/{name}/key.pem")
    assert (key.user, key.group, key.mode) == ("root", "postroom-tls", 0o640)


def test_the_certificate_covers_the_host_and_its_domains(host: Any, name: str) -> None:
    for covered in (name, name.removeprefix("mail.")):
        found = host.check_output(
            "openssl x509 -in %s -noout -checkhost %s", f"{FOLDER}/{name}/fullchain.pem", covered
        )
        assert "does match" in found


def test_key_and_certificate_belong_together(host: Any, name: str) -> None:
    from_key = host.check_output("openssl pkey -in %s -pubout", f"{FOLDER}/{name}/key.pem")
    from_certificate = host.check_output(
        "openssl x509 -in %s -noout -pubkey", f"{FOLDER}/{name}/fullchain.pem"
    )
    assert from_key == from_certificate


def test_the_other_companys_host_trusts_it(host: Any, name: str, reach: Any) -> None:
    """By the system's own store and to the letter of RFC 5280, as a relay on Python 3.13 does."""
    certificate = host.file(f"{FOLDER}/{name}/fullchain.pem").content_string
    other = "mail.beta.example" if name == "mail.alpha.example" else "mail.alpha.example"
    elsewhere = reach(other)
    found = elsewhere.run(
        "printf %%s %s | openssl verify -x509_strict -purpose sslserver -verify_hostname %s /dev/stdin",
        certificate,
        name,
    )
    assert found.rc == 0, found.stderr


def test_the_ca_may_not_vouch_for_foreign_names(host: Any) -> None:
    text = host.check_output("openssl x509 -in %s -noout -ext nameConstraints", f"{FOLDER}/ca.pem")
    assert "critical" in text
    assert "DNS:alpha.example" in text


def test_the_ca_key_is_nowhere_on_the_host(host: Any) -> None:
    keys = host.run("grep -rlE 'BEGIN (EC )?PRIVATE KEY' /etc/postroom/tls /usr/local /root").stdout.split()
    assert [key for key in keys if not key.endswith("/key.pem")] == []
