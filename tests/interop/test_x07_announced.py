"""X7, and what else is dangerous and not offered: a service announces only what it does, before and after login."""

import socket

import pytest

from ..clients import context, imap, smtp
from ..conftest import Sandbox
from ..raw import connect, say

DANGEROUS = ("COMPRESS", "THREAD", "SORT", "CHUNKING", "BINARYMIME", "SMTPUTF8", "XCLIENT", "XFORWARD", "TURN", "AUTH=NTLM",
             "CRAM-MD5", "DIGEST-MD5", "APOP", "XOAUTH2", "OAUTHBEARER")  # fmt: skip


def test_imap(sandbox: Sandbox) -> None:
    with imap(sandbox, "ada@alpha.example") as client:
        told = " ".join(client.capabilities) + " " + client.capability()[1][0].decode()
        assert not [word for word in DANGEROUS if word in told]
        tag = client._new_tag()
        client.send(tag + b" COMPRESS DEFLATE\r\n")
        assert client.readline().startswith(tag + b" BAD")
        client.noop()


@pytest.mark.parametrize("service", ["smtp", "submission", "submissions"])
def test_smtp(sandbox: Sandbox, service: str) -> None:
    with smtp(sandbox, "alpha.example", service) as client:
        told = " ".join(f"{name} {value}" for name, value in client.esmtp_features.items()).upper()
        assert not [word for word in DANGEROUS if word in told]
        for command in ("BDAT 5 LAST", "TURN", "ETRN alpha.example", "XCLIENT ADDR=1.2.3.4", "DEBUG", "WIZ"):
            code, _ = client.docmd(command)
            assert 500 <= code < 600


def test_pop3(sandbox: Sandbox) -> None:
    with connect(sandbox, "alpha.example", "pop3s") as connection:
        assert say(connection, b"APOP ada@alpha.example c4c9334bac560ecc979e58001b3e22fb").startswith(b"-ERR")
        assert say(connection, b"XTND XMIT").startswith(b"-ERR")


def test_clients_are_never_logged_in_before_they_ask(sandbox: Sandbox) -> None:
    """No PREAUTH greeting, which would switch TLS off."""
    for service in ("imap", "imaps"):
        assert b"PREAUTH" not in _greeting(sandbox, service)


def _greeting(sandbox: Sandbox, service: str) -> bytes:
    made = socket.create_connection(sandbox.port("alpha.example", service), 60)
    if service == "imaps":
        made = context(sandbox, "alpha.example").wrap_socket(made)
    with made:
        return made.recv(4096)
