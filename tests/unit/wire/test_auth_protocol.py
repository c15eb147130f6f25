"""Dovecot's auth protocol 1.2 as lines."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire import auth_protocol as proto


@given(st.binary(max_size=200))
def test_escaping_reads_back_and_leaves_no_separator(octets: bytes) -> None:
    """X18: whatever a value holds, it cannot end its parameter or its line."""
    escaped = proto.escape(octets)
    assert not set(escaped) & set(b"\0\t\r\n")
    assert proto.unescape(escaped) == octets


def test_unknown_escapes_mean_the_octet_itself() -> None:
    assert proto.unescape(b"a\x01xb\x01") == b"axb"


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(service=TEXT, session=TEXT, response=st.binary(max_size=300), secured=st.booleans())
def test_a_request_reads_back(service: str, session: str, response: bytes, secured: bool) -> None:
    request = proto.AuthRequest(7, "PLAIN", service, "192.0.2.1", secured, session, response)
    line = proto.auth_request(request)
    assert line.count(b"\n") == 1
    assert proto.read_command(line[:-1]) == request


def test_parameters_behind_resp_are_ignored() -> None:
    """X18: a client that lets a TAB through into its base64 must not gain a parameter by it."""
    request = proto.read_command(b"AUTH\t1\tPLAIN\tservice=imap\tresp=AGEAYg==\tsecured\trip=127.0.0.1")
    assert isinstance(request, proto.AuthRequest)
    assert (request.secured, request.client, request.response) == (False, "", b"\0a\0b")


def test_unknown_parameters_are_ignored_and_the_first_of_two_counts() -> None:
    line = b"AUTH\t1\tplain\tservice=pop3\tnologin\trip=192.0.2.1\trip=127.0.0.1\tlip=::1\ttransport=TLS"
    request = proto.read_command(line)
    assert request == proto.AuthRequest(1, "PLAIN", "pop3", "192.0.2.1", True)


def test_malformed_base64_is_a_fault_of_the_exchange_not_of_the_peer() -> None:
    request = proto.read_command(b"AUTH\t1\tPLAIN\tservice=imap\tresp=%%%")
    assert isinstance(request, proto.AuthRequest)
    assert request.fault


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\t", b"AUTH", b"AUTH\t1", b"AUTH\tx\tPLAIN", b"AUTH\t-1\tPLAIN", b"AUTH\t4294967296\tPLAIN",
        b"AUTH\t1\tPL AIN", b"AUTH\t1\t\xff", b"CONT\t1", b"CONT\tx\tAA==", b"VERSION\t1", b"VERSION\tone\t2",
        b"CPID", b"CPID\t99999999999", b"GET / HTTP/1.1", b"auth\t1\tPLAIN", b"OK\t1", b"\0" * 100,
    ],
)  # fmt: skip
def test_other_lines_are_refused(line: bytes) -> None:
    """X23"""
    with pytest.raises(proto.ProtocolError):
        proto.read_command(line)


@given(st.binary(max_size=300))
def test_no_line_breaks_the_readers(octets: bytes) -> None:
    """X23"""
    for read in (proto.read_command, proto.read_reply):
        with contextlib.suppress(proto.ProtocolError):
            read(octets)


def test_replies_read_back() -> None:
    good = proto.read_reply(proto.ok(3, "ada@alpha.example", "ada")[:-1])
    assert good == proto.AuthReply("OK", 3, {"user": "ada@alpha.example", "account": "ada"})
    bad = proto.read_reply(proto.fail(4, "a\tb\nc", code="temp_fail", throttled=True)[:-1])
    assert bad == proto.AuthReply("FAIL", 4, {"user": "a\tb\nc", "code": "temp_fail", "throttled": ""})
    assert proto.read_reply(proto.continuation(5, b"Username:")[:-1]) == proto.AuthReply(
        "CONT", 5, challenge=b"Username:"
    )


def test_the_handshakes_are_what_the_protocol_says() -> None:
    said = proto.server_handshake(12, 3, "0" * 32, ("PLAIN", "LOGIN")).split(b"\n")
    assert said[0] == b"VERSION\t1\t2"
    assert b"MECH\tPLAIN\tplaintext" in said
    assert {b"SPID\t12", b"CUID\t3", b"COOKIE\t" + b"0" * 32} <= set(said)
    assert said[-2:] == [b"DONE", b""]
    assert all(proto.read_reply(line) is None for line in said[1:-1])
    first, second = proto.client_handshake(9).splitlines()
    assert proto.read_command(first) == proto.Version(1, 2)
    assert proto.read_command(second) == proto.ClientPid(9)
