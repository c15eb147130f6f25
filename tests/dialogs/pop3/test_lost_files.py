"""A missing message file: RETR and TOP refuse it (RFC 3206), the log names it, other messages are served."""

import os
import poplib
import sqlite3

import pytest

from .conftest import Server, stop
from .test_clients import LETTER, connect


def test_a_lost_message_is_refused_and_told(own_server: Server) -> None:
    server = own_server
    user = server.new_person(LETTER, LETTER)
    account = user.partition("@")[0]
    files = sorted((server.folder / f"accounts/{account}/messages").iterdir())
    files[0].unlink()
    client = connect(server, user)
    for _ in range(8):  # more than the errors after which a client is sent away
        for command in (lambda: client.retr(1), lambda: client.top(1, 3)):
            with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/PERM\] message cannot be read"):
                command()
    assert client.retr(2)[1][0] == b"Subject: hello"
    client.dele(1)
    client.quit()
    assert [uid for uid, _ in server.mailbox(user)] == [2]
    told = stop(server, "pop3")
    assert (
        f"message lost: account={account} mailbox='INBOX' uid=1 file={account}/messages/{files[0].name}"
        in told
    )


@pytest.mark.damages("file altered")
def test_a_large_message_that_is_cut_short_is_refused_before_it_begins(own_server: Server) -> None:
    server = own_server
    user = server.new_person(b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * 700_000, LETTER)
    account = user.partition("@")[0]
    large = max(
        (server.folder / f"accounts/{account}/messages").iterdir(), key=lambda path: path.stat().st_size
    )
    large.chmod(0o660)
    os.truncate(large, 700_000)
    client = connect(server, user)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/PERM\] message cannot be read"):
        client.retr(1)
    assert client.retr(2)[1][0] == b"Subject: hello"
    client.quit()
    assert "is shorter than it was" in stop(server, "pop3")


@pytest.mark.damages("file missing", "date out of range")
def test_damaged_rows_end_no_session(own_server: Server) -> None:
    """POP3 shows no dates, so an impossible one does no harm; a file name that no system call accepts is a fault of ours."""
    server = own_server
    user = server.new_person(LETTER, LETTER, LETTER)
    account = user.partition("@")[0]
    with sqlite3.connect(server.folder / f"accounts/{account}/account.db") as database:
        database.execute("UPDATE messages SET internal_date = 253402318799, flags = 'x' WHERE key & 3 = 1")
        second = "SELECT content FROM messages WHERE key & 3 = 2"
        database.execute(f"UPDATE contents SET file = 'a' || char(0) WHERE id = ({second})")
    database.close()
    client = connect(server, user)
    assert client.stat()[0] == 3
    assert client.retr(1)[1][0] == b"Subject: hello"
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\] internal error"):
        client.retr(2)
    assert client.retr(3)[1][0] == b"Subject: hello"
    client.rset()
    client.dele(3)
    client.close()
    assert f"internal error: RETR client=127.0.0.1 account={account} ValueError" in stop(
        server, "pop3", faulty=True
    )
