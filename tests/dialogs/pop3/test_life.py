"""What clients see when agents stop, crash and restart."""

import poplib
import signal
import socket
import ssl
import time

import pytest

from .conftest import PASSWORD, Server, reload, start, stop
from .test_clients import LETTER, connect


def test_an_orderly_end_closes_idle_sessions_at_once_and_deletes_nothing(own_server: Server) -> None:
    user = own_server.new_person(LETTER)
    client = connect(own_server, user)
    client.dele(1)
    began = time.monotonic()
    stop(own_server, "pop3")
    assert time.monotonic() - began < 15  # half of what the agent would wait for sessions at work
    with pytest.raises((poplib.error_proto, ConnectionError, ssl.SSLError, EOFError)):
        client.quit()
    assert len(own_server.mailbox(user)) == 1
    start(own_server, "pop3")
    connect(own_server, user).quit()


def test_a_killed_agent_leaves_no_lock_and_no_deletion(own_server: Server) -> None:
    user = own_server.new_person(LETTER)
    client = connect(own_server, user)
    client.dele(1)
    own_server.processes["pop3"].send_signal(signal.SIGKILL)
    own_server.processes["pop3"].communicate()
    start(own_server, "pop3")
    again = connect(own_server, user)
    assert again.stat()[0] == 1
    again.quit()
    client.close()


def test_without_auth_agent_logins_fail_for_now_and_open_sessions_go_on(own_server: Server) -> None:
    user, other = own_server.new_person(LETTER), own_server.new_person(LETTER)
    opened = connect(own_server, user)
    own_server.processes["auth"].send_signal(signal.SIGKILL)
    own_server.processes["auth"].communicate()
    assert opened.stat()[0] == 1
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        connect(own_server, other)
    start(own_server, "auth")
    connect(own_server, other).quit()
    opened.quit()


def test_a_changed_certificate_is_served_after_a_reload(own_server: Server) -> None:
    before = served(own_server)
    own_server.issue()
    reload(own_server, "pop3")
    assert served(own_server) != before


def served(server: Server) -> bytes:
    client = poplib.POP3_SSL("localhost", server.secured, timeout=60, context=server.context())
    certificate = client.sock.getpeercert(binary_form=True)
    client.user("nobody@a.example")
    with pytest.raises(poplib.error_proto):
        client.pass_(PASSWORD)
    client.close()
    assert certificate
    return bytes(certificate)


def test_new_limits_count_after_a_reload(own_server: Server) -> None:
    user, other = own_server.new_person(LETTER), own_server.new_person(LETTER)
    settings = own_server.folder / "pop3.toml"
    settings.write_text(f"max_connections = 1\n{settings.read_text()}")
    opened = connect(own_server, user)
    reload(own_server, "pop3")
    with pytest.raises((poplib.error_proto, ConnectionError, ssl.SSLError, EOFError)):
        connect(own_server, other)
    opened.quit()


def test_what_keeps_a_maildrop_shut_is_told_with_its_account(own_server: Server) -> None:
    user = own_server.new_person(LETTER)
    opened = connect(own_server, user)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        connect(own_server, user)
    told = own_server.processes["pop3"].stderr
    assert told is not None
    wanted = f"PASS failed: client=127.0.0.1 account={user.partition('@')[0]} "
    assert any(wanted in line for line in iter(told.readline, ""))
    opened.quit()


def test_a_client_has_its_cap_once_and_not_in_every_worker(own_server: Server) -> None:
    settings = own_server.folder / "pop3.toml"
    text = settings.read_text().replace('["127.0.0.0/8"]', "[]")
    settings.write_text(f"max_connections_per_client = 6\n{text}")
    reload(own_server, "pop3")
    heard = []
    connections = [socket.create_connection(("127.0.0.1", own_server.plain), 60) for _ in range(24)]
    for connection in connections:
        heard.append(connection.recv(100)[:4])
    assert heard.count(b"+OK ") in (6, 7)  # two workers may let in the last one at the same moment
    assert heard.count(b"-ERR") == 24 - heard.count(b"+OK ")
    for connection in connections:
        connection.close()
    wait_for_a_greeting(own_server)


def wait_for_a_greeting(server: Server) -> None:
    until = time.monotonic() + 60
    greeting = b""
    while not greeting.startswith(b"+OK "):
        assert time.monotonic() < until
        with socket.create_connection(("127.0.0.1", server.plain), 60) as connection:
            greeting = connection.recv(100)


def test_a_maildrop_is_locked_for_all_workers(own_server: Server) -> None:
    user = own_server.new_person(LETTER)
    opened = connect(own_server, user)
    for _ in range(8):  # some of them come to the other worker
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            connect(own_server, user)
    opened.quit()
    connect(own_server, user).quit()
