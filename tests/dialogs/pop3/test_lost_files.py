"""A message file that is gone: RETR and TOP say so (RFC 3206), the log names it, other messages are served."""

import poplib

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
