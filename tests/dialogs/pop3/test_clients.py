"""Real clients: the standard library's poplib, and curl."""

import asyncio
import contextlib
import poplib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from .conftest import PASSWORD, Server

LETTER = b"Subject: hello\r\n\r\n.leading dot\r\n\r\nend\r\n"


def connect(server: Server, user: str, *, stls: bool = False) -> poplib.POP3:
    client: poplib.POP3
    if stls:
        client = poplib.POP3("localhost", server.plain, timeout=60)
        client.stls(server.context())
    else:
        client = poplib.POP3_SSL("localhost", server.secured, timeout=60, context=server.context())
    client.user(user)
    client.pass_(PASSWORD)
    return client


@pytest.mark.parametrize("stls", [False, True])
def test_poplib_fetches_and_deletes(server: Server, stls: bool) -> None:
    user = server.new_person(LETTER, b"Subject: two\r\n\r\nx\r\n")
    client = connect(server, user, stls=stls)
    assert client.stat() == (2, len(LETTER) + 19)
    _, lines, _ = client.retr(1)
    assert b"".join(line + b"\r\n" for line in lines) == LETTER
    client.dele(2)
    client.quit()
    assert [(uid, sorted(flags)) for uid, flags in server.mailbox(user)] == [(1, ["\\Seen"])]


def test_ids_stay_over_sessions(server: Server) -> None:
    user = server.new_person(LETTER, LETTER, LETTER)
    first = connect(server, user)
    before = [line.split()[1] for line in first.uidl()[1]]
    first.dele(1)
    first.quit()
    second = connect(server, user)
    assert [line.split()[1] for line in second.uidl()[1]] == before[1:]
    second.quit()


def test_without_quit_nothing_is_deleted(server: Server) -> None:
    """RFC 1939 section 6: only the UPDATE state removes messages."""
    user = server.new_person(LETTER)
    client = connect(server, user)
    client.dele(1)
    client.close()
    assert len(server.mailbox(user)) == 1


def test_the_maildrop_is_exclusive(server: Server) -> None:
    user = server.new_person(LETTER)
    first = connect(server, user)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        connect(server, user)
    first.quit()
    connect(server, user).quit()


def test_the_lock_goes_with_the_connection(server: Server) -> None:
    user = server.new_person(LETTER)
    first = connect(server, user)
    # Reset instead of an orderly end.
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    first.close()
    for _ in range(200):
        try:
            connect(server, user).quit()
            return
        except poplib.error_proto as error:
            if b"IN-USE" not in error.args[0]:
                raise
    pytest.fail("the maildrop stays locked")


def test_mail_that_comes_meanwhile_waits_for_the_next_session(server: Server) -> None:
    user = server.new_person(LETTER)
    client = connect(server, user)
    late = b"Subject: one\r\n\r\n", b"Subject: late\r\n\r\n"  # the first is a second copy of what is there
    asyncio.run(server.deliver(user.partition("@")[0], late))
    assert client.stat()[0] == 1
    client.quit()
    after = connect(server, user)
    assert after.stat()[0] == 2
    after.quit()


def test_a_large_message_comes_whole(server: Server) -> None:
    line = b".x" * 30 + b"\r\n"
    content = b"Subject: large\r\n\r\n" + line * (8 * 1024 * 1024 // len(line))
    client = connect(server, server.new_person(content))
    _, lines, _ = client.retr(1)
    assert b"\r\n".join(lines) + b"\r\n" == content
    client.quit()


def test_a_slow_reader_does_not_hold_up_others(server: Server) -> None:
    """A peer that asks for much and reads nothing delays only itself."""
    content = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000
    slow = connect(server, server.new_person(content))
    slow.sock.sendall(b"RETR 1\r\n" * 20)
    for _ in range(3):
        connect(server, server.new_person(LETTER)).quit()
    slow.close()


def test_many_strangers_with_endless_lines(server: Server) -> None:
    """X5: 100 connections that never end their line are each refused; a good login succeeds meanwhile."""
    strangers = [socket.create_connection(("127.0.0.1", server.plain), timeout=60) for _ in range(100)]
    user = server.new_person(LETTER)

    def flood(stranger: socket.socket) -> None:
        try:
            for _ in range(64):
                stranger.sendall(b"{" * 1024)
            while stranger.recv(4096):
                pass
        except (ConnectionError, BrokenPipeError):
            return

    threads = [threading.Thread(target=flood, args=(stranger,)) for stranger in strangers]
    for thread in threads:
        thread.start()
    connect(server, user).quit()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for stranger in strangers:
        stranger.close()


def test_a_plain_client_on_the_tls_port_is_dropped_and_nothing_else(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.secured), timeout=60) as stranger:
        stranger.sendall(b"USER ada\r\n")
        heard = b""
        with contextlib.suppress(ConnectionError):
            heard = stranger.recv(1000)
        assert b"+OK" not in heard
    connect(server, server.new_person()).quit()


def test_old_tls_is_refused(server: Server) -> None:
    """X25"""
    context = server.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        poplib.POP3_SSL("localhost", server.secured, timeout=60, context=context)


def curl(server: Server, user: str, url: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("curl")
    assert program is not None
    config = f'user = "{user}:{PASSWORD}"\n'
    arguments = [program, "-sS", "--cacert", str(server.ca), "--config", "-", *options, url]
    return subprocess.run(arguments, input=config.encode(), capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "options", [("--sasl-ir",), ("--login-options", "AUTH=LOGIN"), ("--login-options", "AUTH=PLAIN")]
)
def test_curl(server: Server, options: tuple[str, ...], tmp_path: Path) -> None:
    user = server.new_person(LETTER)
    listed = curl(server, user, f"pop3s://localhost:{server.secured}/", *options)
    assert listed.stdout.split() == [b"1", str(len(LETTER)).encode()], listed.stderr
    fetched = curl(server, user, f"pop3://localhost:{server.plain}/1", "--ssl-reqd", *options)
    assert fetched.stdout == LETTER, fetched.stderr


def test_a_message_too_large_to_be_held_comes_whole(server: Server) -> None:
    letter = b"Subject: large\r\n\r\n" + b"..two dots and text\r\n.\r\n" * 60_000 + b"the end"
    user = server.new_person(letter)
    client = connect(server, user)
    _, lines, _ = client.retr(1)
    assert b"\r\n".join(lines).endswith(letter)
    client.quit()
    ((_, flags),) = server.mailbox(user)
    assert "\\Seen" in flags
