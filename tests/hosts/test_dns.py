"""The demo's DNS as its mail hosts see it: right answers, and every one validated."""

from typing import Any

import pytest

testinfra_hosts = ["ansible://mail_hosts"]


def ask(host: Any, name: str, kind: str, server: str = "127.0.0.1") -> tuple[list[str], str]:
    """Values of the answers, and the line of header flags."""
    answer = host.check_output("kdig @%s +dnssec %s %s", server, name, kind)
    flags = next(line for line in answer.splitlines() if line.startswith(";; Flags:"))
    records = [line.split(None, 4) for line in answer.splitlines() if line and not line.startswith(";")]
    return sorted(record[4] for record in records if len(record) == 5 and record[3] == kind), flags


def validated(flags: str) -> bool:
    return " ad;" in flags.partition("QUERY")[0]


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("alpha.example", "MX", ["10 mail.alpha.example."]),
        ("beta.example", "MX", ["10 mail.beta.example."]),
        ("mail.alpha.example", "A", ["10.213.25.11"]),
        ("mail.alpha.example", "AAAA", ["fd25:4d61:696c::11"]),
        ("mail.beta.example", "A", ["10.213.25.12"]),
        ("alpha.example", "TXT", ['"v=spf1 a:mail.alpha.example -all"']),
        ("mail.beta.example", "TXT", ['"v=spf1 a -all"']),
        ("_dmarc.beta.example", "TXT", ['"v=DMARC1; p=reject"']),
        ("_imaps._tcp.alpha.example", "SRV", ["0 1 993 mail.alpha.example."]),
        ("_submissions._tcp.beta.example", "SRV", ["0 1 465 mail.beta.example."]),
        ("ns.example", "MX", ["0 ."]),
        ("11.25.213.10.in-addr.arpa", "PTR", ["mail.alpha.example."]),
    ],
)
def test_answers_are_right_and_validated(host: Any, name: str, kind: str, values: list[str]) -> None:
    found, flags = ask(host, name, kind)
    assert found == values
    assert validated(flags), flags


@pytest.mark.parametrize(("selector", "algorithm"), [("rsa1", "rsa"), ("ed1", "ed25519")])
@pytest.mark.parametrize("domain", ["alpha.example", "alpha-labs.example", "beta.example"])
def test_dkim_keys_are_published(host: Any, domain: str, selector: str, algorithm: str) -> None:
    found, flags = ask(host, f"{selector}._domainkey.{domain}", "TXT")
    assert len(found) == 1
    assert found[0].startswith(f'"v=DKIM1; k={algorithm}; p=')
    assert validated(flags)


def test_forward_and_reverse_agree_over_ipv6(host: Any, name: str) -> None:
    (address,), _ = ask(host, name, "AAAA")
    answer = host.check_output("kdig @127.0.0.1 +short -x %s", address)
    assert answer == f"{name}."


def test_absence_is_proven(host: Any) -> None:
    found, flags = ask(host, "nobody.alpha.example", "A")
    assert found == []
    assert validated(flags), flags


# The resolver's settings with one digit of the trusted key changed, on another port and with nothing else shared.
WRONG_ANCHOR = r"""
set -eu
folder=$(mktemp -d) && chmod 755 "$folder"
digit=$(sed -n 's/.*trust-anchor: "\. DS [0-9]* 13 2 \(.\).*/\1/p' /etc/unbound/unbound.conf)
[ "$digit" = 0 ] && other=1 || other=0
sed -e "s/trust-anchor: \"\. DS \([0-9]*\) 13 2 $digit/trust-anchor: \". DS \1 13 2 $other/" \
    -e '/interface:/d' -e '/^remote-control:/,$d' /etc/unbound/unbound.conf >"$folder/unbound.conf"
printf 'server:\n  interface: 127.0.0.1@5399\n  pidfile: "%s/pid"\n  chroot: ""\n  username: ""\n' "$folder" \
    >>"$folder/unbound.conf"
sed -n '/^forward-zone:/,/^$/p' /etc/unbound/unbound.conf >>"$folder/unbound.conf"
unbound -c "$folder/unbound.conf"
kdig @127.0.0.1 -p 5399 +retry=5 alpha.example MX
kill "$(cat "$folder/pid")"
rm -r "$folder"
"""


def test_answers_under_a_wrong_key_are_refused(host: Any) -> None:
    assert "status: SERVFAIL" in host.check_output(WRONG_ANCHOR)


def test_the_host_asks_only_its_own_resolver(host: Any) -> None:
    lines = host.file("/etc/resolv.conf").content_string.splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == ["nameserver 127.0.0.1"]


def test_the_resolver_serves_nobody_else(host: Any) -> None:
    assert host.socket("udp://127.0.0.1:53").is_listening
    assert not host.socket("udp://0.0.0.0:53").is_listening
