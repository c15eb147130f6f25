"""How parsers that disagree let forged mail pass (USENIX Security 2020, "Composition Kills"): our parts together.

Each case is mail by evil.example that a reader shall take for alpha.example's, whose policy is reject. The whole
chain of SPF, DKIM and DMARC runs on it; it must end in rejection, or vouch for nobody but evil.example.
"""

from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from postroom.mail.headermailboxes import author
from postroom.mail.headers import read_headers
from postroom.policy.dkim import load_key, sign_message, verify
from postroom.policy.dmarc import DmarcVerdict, Policy, evaluate
from postroom.policy.lookups import answer_with
from postroom.policy.spf import check_sender

NOW = 1_790_000_000
EVIL_IP = "203.0.113.66"
REST = b"To: bob@beta.example\r\nSubject: invoice\r\n\r\nPay.\r\n"
KEY = load_key(
    "evil.example",
    "s",
    Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
)
ROWS = {
    ("_dmarc.alpha.example", "TXT"): [b"v=DMARC1; p=reject"],
    ("_dmarc.evil.example", "TXT"): [b"v=DMARC1; p=none"],
    ("alpha.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
    ("evil.example", "TXT"): [b"v=spf1 ip4:203.0.113.66 -all"],
    ("s._domainkey.evil.example", "TXT"): [KEY.record.encode()],
}


def judged(zone, message, mail_from="eve@evil.example", helo="evil.example") -> DmarcVerdict:
    names = zone(ROWS)
    spf = answer_with(check_sender(ip_address(EVIL_IP), mail_from, helo, receiver="r", now=NOW), names)
    dkim = answer_with(verify(message, now=NOW), names)
    return answer_with(evaluate(author(read_headers(message)), spf, dkim), names)


def vouched_for_alpha(verdict: DmarcVerdict) -> bool:
    return verdict.result == "pass" and verdict.author_domain != "evil.example"


FROM_LINES = {
    "plain": b"From: ada@alpha.example",
    "two fields": b"From: eve@evil.example\r\nFrom: ada@alpha.example",
    "two fields, other order": b"From: ada@alpha.example\r\nFrom: eve@evil.example",
    "two fields, one with a space": b"From : ada@alpha.example\r\nFrom: eve@evil.example",
    "two fields, one folded": b"From:\r\n ada@alpha.example\r\nFrom: eve@evil.example",
    "other case": b"fRoM: ada@alpha.example\r\nFROM: eve@evil.example",
    "list": b"From: eve@evil.example, ada@alpha.example",
    "list, other order": b"From: ada@alpha.example, eve@evil.example",
    "list of angles": b"From: <ada@alpha.example>, <eve@evil.example>",
    "angles without comma": b"From: <ada@alpha.example><eve@evil.example>",
    "address behind angle": b"From: <ada@alpha.example> eve@evil.example",
    "route": b"From: <@evil.example,@x.example:ada@alpha.example>",
    "NUL": b"From: ada@alpha.example\x00@evil.example",
    "line feed": b"From: ada@alpha.example\n@evil.example",
    "carriage return": b"From: ada@alpha.example\r@evil.example",
    "two at signs": b"From: ada@alpha.example@evil.example",
    "quoted at sign": b'From: "ada@alpha.example" <eve@alpha.example>',
    "encoded address": b"From: =?utf-8?B?YWRhQGFscGhhLmV4YW1wbGU=?=",
    "encoded, then evil": b"From: =?utf-8?B?YWRhQGFscGhhLmV4YW1wbGU=?=, eve@evil.example",
    "group": b"From: x: ada@alpha.example, eve@evil.example;",
    "comment": b"From: ada@alpha.example (eve@evil.example)",
    "unfinished comment": b"From: eve@evil.example (<ada@alpha.example>",
    "unfinished quote": b'From: "eve@evil.example <ada@alpha.example>',
    "encoded, then an angle": b"From: =?utf-8?Q?ada=40alpha=2Eexample?=, x [y] <eve@evil.example>",
    "quoted, then an angle": b'From: "ada@alpha.example", eve <eve@evil.example>',
    "semicolon, then an angle": b"From: ada@alpha.example; eve <eve@evil.example>",
    "unquoted, then an angle": b"From: ada@alpha.example [x], eve <eve@evil.example>",
    "half a quote, then an angle": b'From: "a" b" , ada@alpha.example, <eve@evil.example>',
    "two angles in rubbish": b"From: [x] <ada@alpha.example> [y] <eve@evil.example>",
    "escaped angle": b"From: x\\<ada@alpha.example\\> [y] <eve@evil.example>",
    "two in one angle": b"From: [x] <ada@alpha.example eve@evil.example>",
    "comment behind an angle": b"From: [x] <eve@evil.example> (<ada@alpha.example>)",
    "spaced dots": b"From: [x] ada@alpha . example",
    "trailing dots": b"From: <ada@alpha.example..>",
    "control octets": b"From: ada@alpha\x08.example, <eve@evil.example>",
}
UNREADABLE = {
    "no address": b"From: ada",
    "empty": b"From:",
    "none": b"X-From: ada@alpha.example",
    "literal": b"From: ada@[alpha.example]",
    "empty angle": b"From: Mail Delivery System <>",
    "empty group": b"From: nobody:;",
    "comment": b"From: root (Cron Daemon)",
    "doubled dot": b"From: ada@alpha..example",
}


@pytest.mark.parametrize("line", FROM_LINES.values(), ids=FROM_LINES.keys())
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed by evil"])
def test_x27_a_forged_author_is_rejected(zone, line, signed) -> None:
    message = line + b"\r\n" + REST
    if signed:
        message = sign_message(message, [KEY], now=NOW) + message
    verdict = judged(zone, message)
    assert verdict.disposition is Policy.REJECT, verdict


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_x27_an_author_who_cannot_be_known_is_junk(zone, line) -> None:
    message = line + b"\r\n" + REST
    verdict = judged(zone, sign_message(message, [KEY], now=NOW) + message)
    assert (verdict.result, verdict.disposition) == ("permerror", Policy.QUARANTINE)


HIDDEN = {
    "in front of the angle": b"From: ada@alpha.example <eve@evil.example>",
    "in front of the angle, in brackets": b"From: [ada@alpha.example] : eve <eve@evil.example>",
    "in an encoded name in front of rubbish": b"From: =?utf-8?B?YWRhQGFscGhhLmV4YW1wbGU=?= [x] <eve@evil.example>",
    "in the display name": b'From: "ada@alpha.example" <eve@evil.example>',
    "in a comment": b"From: (ada@alpha.example) eve@evil.example",
    "in the local part": b'From: "ada@alpha.example"@evil.example',
    "in an encoded name": b"From: =?utf-8?B?YWRhQGFscGhhLmV4YW1wbGU=?= <eve@evil.example>",
    "in a route": b"From: <@alpha.example:eve@evil.example>",
}


@pytest.mark.parametrize("line", HIDDEN.values(), ids=HIDDEN.keys())
def test_x27_a_name_beside_the_address_vouches_for_nobody(zone, line) -> None:
    message = line + b"\r\n" + REST
    verdict = judged(zone, sign_message(message, [KEY], now=NOW) + message)
    assert (verdict.result, verdict.author_domain) == ("pass", "evil.example")


ENVELOPES = [
    ("", "alpha.example"),
    ("", "evil.example"),
    ("", "evil.example.alpha.example"),
    ("ada@alpha.example", "evil.example"),
    ("(ada@alpha.example)@evil.example", "evil.example"),
    ("ada@alpha.example@evil.example", "evil.example"),
    ("ada@alpha.example\x00.evil.example", "evil.example"),
    ("ada@alpha.example,@evil.example", "evil.example"),
    ("@evil.example:ada@alpha.example", "evil.example"),
    ("eve@evil.example\r\n", "evil.example"),
    ("ada@any.alpha.example", "evil.example"),
]


@pytest.mark.parametrize(("mail_from", "helo"), ENVELOPES)
def test_x27_no_envelope_vouches_for_another_domain(zone, mail_from, helo) -> None:
    verdict = judged(zone, b"From: ada@alpha.example\r\n" + REST, mail_from, helo)
    assert verdict.disposition is Policy.REJECT


SIGNATURES = [
    (b"d=evil.example;", b"d=alpha.example;"),
    (b"d=evil.example;", b"d=alpha.example(.evil.example;"),
    (b"d=evil.example;", b"d=alpha.example\x00.evil.example;"),
    (b"d=evil.example;", b"d=evil.example; i=@alpha.example;"),
    (b"d=evil.example;", b"d=alpha.example; d=evil.example;"),
    (b"d=evil.example;", b"d=example;"),
    (b"s=s;", b"s=s._domainkey.evil.example.x;"),
    (b"s=s;", b"s=s._domainkey.evil.example\x00.any;"),
    (b"d=evil.example;", b"d=\r\n alpha.example;"),
]


@pytest.mark.parametrize(("old", "new"), SIGNATURES)
def test_x27_no_signature_vouches_for_another_domain(zone, old, new) -> None:
    message = b"From: ada@alpha.example\r\n" + REST
    signature = sign_message(message, [KEY], now=NOW)
    assert old in signature
    verdict = judged(zone, signature.replace(old, new) + message)
    assert verdict.disposition is Policy.REJECT


def test_x27_a_signature_of_one_author_does_not_carry_another(zone) -> None:
    """The signed From stays at the bottom, the forged one is put on top of it."""
    message = b"From: eve@evil.example\r\n" + REST
    signed = sign_message(message, [KEY], now=NOW) + message
    assert judged(zone, signed).result == "pass"
    for forged in (
        b"From: ada@alpha.example\r\n" + signed,
        signed.replace(b"To: ", b"From: ada@alpha.example\r\nTo: "),
    ):
        verdict = judged(zone, forged)
        assert verdict.disposition is Policy.REJECT
        assert not vouched_for_alpha(verdict)
