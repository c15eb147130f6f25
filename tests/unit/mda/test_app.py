"""postroom-mda as a process: what a relay and an operator see of it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, open_store
from postroom.store.sqlite.verify import verify

MESSAGE = b"From: s@x.example\r\nSubject: hello\r\n\r\nbody\r\n"
STAMP = b"Received: from x ([192.0.2.1])\r\n\tby mail.alpha.example (Postroom) with ESMTP id 7;\r\n\tMon, 23 Nov 2026\r\n"


def mailboxes(folder: Path, account: str) -> dict[str, list[bytes]]:
    """Messages as served, by mailbox; empty ones are left out."""

    async def read() -> dict[str, list[bytes]]:
        store = open_store(str(folder / "accounts"), NoNotices(), SystemClock())
        opened = await store.account(account, account)
        found = {}
        for box in await opened.mailboxes():
            selected = await opened.select(box.name, False)
            if selected.uids:
                found[box.name] = [await opened.content(box.id, uid) for uid in selected.uids]
        await store.close()
        return found

    return asyncio.run(read())


def codes(replies: list[str]) -> list[str]:
    return [reply[:9] for reply in replies]


def test_a_message_reaches_its_mailbox(mda: Any, client: Any) -> None:
    assert codes(client.send("id1", ["ada@alpha.example"], MESSAGE)) == ["250 2.1.5", "250 2.0.0"]
    prefix = b"Return-Path: <s@x.example>\r\nDelivered-To: ada@alpha.example\r\n"
    assert mailboxes(mda.folder, "ada") == {"INBOX": [prefix + MESSAGE]}
    line = mda.wait_for("status=sent")
    assert "id1: to=<ada@alpha.example>, mailbox=INBOX" in line


def test_unusual_names_and_addresses_are_taken(mda: Any, client: Any) -> None:
    for greeting in (b"b\xfcro", b"Bob's Mac", b"[fe80::1%en0]", b"(relay); <x>"):
        assert client.say(b"LHLO " + greeting + b"\r\n").startswith("250"), greeting
    assert client.say(b"MAIL FROM:a..b@docomo_1.example.\r\n").startswith("250 ")
    for recipient in (b"TO:<ada@alpha.example.>", b"TO:<bob+@alpha.example>"):
        assert client.say(b"RCPT " + recipient + b"\r\n").startswith("250 "), recipient
    assert client.say(b"DATA\r\n").startswith("354 ")
    assert client.say(MESSAGE + b".\r\n").startswith("250 ")
    assert client.reply().startswith("250 ")
    path = b'Return-Path: <"a..b"@docomo_1.example>\r\nDelivered-To: '
    assert mailboxes(mda.folder, "ada") == {"INBOX": [path + b"ada@alpha.example\r\n" + MESSAGE]}
    assert mailboxes(mda.folder, "bob") == {"INBOX": [path + b"bob+@alpha.example\r\n" + MESSAGE]}


def test_recipients_are_judged_one_by_one(client: Any) -> None:
    names = [
        "ADA@Alpha.example",
        "nobody@alpha.example",
        "dan@alpha.example",
        "info@alpha.example",
        "a@other.test",
    ]
    replies = codes(client.send("id1", [*names, "bob+x@alpha.example", "nobody+ada@alpha.example"], MESSAGE))
    assert replies == [
        "250 2.1.5", "550 5.1.1", "550 5.2.1", "550 5.1.1", "550 5.1.1", "250 2.1.5", "550 5.1.1",
        "250 2.0.0", "250 2.0.0",
    ]  # fmt: skip


def test_a_detail_names_a_mailbox_that_exists(mda: Any, client: Any) -> None:
    for number, name in enumerate(("ada+Archive", "ada+nothing", '"ada+../x"')):
        client.send(f"id{number}", [f"{name}@alpha.example"], MESSAGE)
        named = name.strip('"').partition("+")[2]
        assert f"mailbox={named} (INBOX if there is none)" in mda.wait_for("status=sent")
    found = mailboxes(mda.folder, "ada")
    assert {name: len(messages) for name, messages in found.items()} == {"INBOX": 2, "Archive": 1}
    assert b"Delivered-To: ada+Archive@alpha.example\r\n" in found["Archive"][0]


def test_strangers_put_nothing_among_what_a_person_wrote_or_threw_away(mda: Any, client: Any) -> None:
    for number, name in enumerate(("Drafts", "SENT", "trash")):
        client.send(f"id{number}", [f"ada+{name}@alpha.example"], MESSAGE)
    assert {name: len(messages) for name, messages in mailboxes(mda.folder, "ada").items()} == {"INBOX": 3}


@pytest.mark.parametrize(
    ("head", "place"),
    [
        (b"X-Postroom-Verdict: junk; dmarc=fail\r\n", "Junk"),
        (b"Received: x\r\nX-Postroom-Verdict: junk\r\n", "Junk"),
        (b"X-Postroom-Verdict: ham\r\nX-Postroom-Verdict: junk\r\n", "INBOX"),
        (b"Subject: X-Postroom-Verdict: junk\r\n", "INBOX"),
        (b"", "INBOX"),
    ],
)
def test_the_verdict_is_obeyed(mda: Any, client: Any, head: bytes, place: str) -> None:
    client.send(
        "id1", ["ada+Archive@alpha.example" if place == "Junk" else "ada@alpha.example"], head + MESSAGE
    )
    assert list(mailboxes(mda.folder, "ada")) == [place]


def test_verdicts_in_the_body_mean_nothing(mda: Any, client: Any) -> None:
    client.send("id1", ["ada@alpha.example"], MESSAGE + b"X-Postroom-Verdict: junk\r\n")
    assert list(mailboxes(mda.folder, "ada")) == ["INBOX"]


def test_a_second_copy_is_success(mda: Any, client: Any) -> None:
    for _ in range(3):
        assert codes(client.send("id1", ["ada@alpha.example"], MESSAGE))[-1] == "250 2.0.0"
    client.send("id1", ["bob@alpha.example"], MESSAGE)
    client.send("", ["bob@alpha.example"], MESSAGE)
    client.send("", ["bob@alpha.example"], MESSAGE, sender="")
    assert len(mailboxes(mda.folder, "ada")["INBOX"]) == 1
    messages = mailboxes(mda.folder, "bob")["INBOX"]
    assert len(messages) == 3
    assert messages[2].startswith(b"Return-Path: <>\r\n")


def test_what_was_here_before_goes_round_no_more(mda: Any, client: Any) -> None:
    client.send("id1", ["ada@alpha.example"], STAMP + MESSAGE)
    served = mailboxes(mda.folder, "ada")["INBOX"][0]
    replies = codes(client.send("id2", ["ada@alpha.example", "bob@alpha.example"], STAMP + served))
    assert replies == ["250 2.1.5", "250 2.1.5", "554 5.4.6", "250 2.0.0"]


def test_mail_fetched_over_from_an_old_account_is_no_loop(mda: Any, client: Any) -> None:
    fetched = b"Delivered-To: ada@alpha.example\r\n" + MESSAGE
    replies = codes(client.send("id1", ["ada@alpha.example"], STAMP + fetched))
    assert replies == ["250 2.1.5", "250 2.0.0"]
    assert mailboxes(mda.folder, "ada")["INBOX"][0].endswith(STAMP + fetched)


def test_a_full_mailbox_is_flagged_until_there_is_room(mda: Any, client: Any) -> None:
    large = MESSAGE + b"x" * 900 + b"\r\n"
    replies = [codes(client.send(f"id{n}", ["cyd@alpha.example"], large))[-1] for n in range(3)]
    assert replies == ["250 2.0.0", "250 2.0.0", "452 4.2.2"]
    assert (mda.folder / "over-quota" / "cyd").exists()
    assert codes(client.send("id9", ["cyd@alpha.example"], large)) == ["452 4.2.2"]
    empty_trash(mda.folder, "cyd")
    assert codes(client.send("id2", ["cyd@alpha.example"], large)) == ["250 2.1.5", "250 2.0.0"]
    assert not (mda.folder / "over-quota" / "cyd").exists()


def empty_trash(folder: Path, account: str) -> None:
    async def empty() -> None:
        store = open_store(str(folder / "accounts"), NoNotices(), SystemClock())
        opened = await store.account(account, account)
        inbox = (await opened.select("INBOX", True)).mailbox.id
        await opened.create("old")
        await opened.move(inbox, [1], "old")
        await opened.delete("old")
        await store.close()

    asyncio.run(empty())


def test_x23_garbage_does_not_end_the_service(mda: Any, client: Any) -> None:
    for octets in (
        os.urandom(100_000),
        b"\r\n" * 1000,
        b"A" * 300_000,
        b"MAIL FROM:<a@b>\r\nDATA\r\n",
        b"\0" * 5000,
    ):
        other = mda.client()
        other.socket.settimeout(60)
        try:
            other.socket.sendall(octets)
            other.socket.shutdown(1)
            while other.socket.recv(65536):
                pass
        except (ConnectionError, BrokenPipeError):
            pass
        other.close()
    assert codes(client.send("id1", ["ada@alpha.example"], MESSAGE))[-1] == "250 2.0.0"


def test_large_messages_from_many_at_once(mda: Any) -> None:
    large = MESSAGE + (b"x" * 998 + b"\r\n") * 3000
    replies: list[str] = []

    def send(number: int) -> None:
        client = mda.client()
        replies.append(client.send(f"id{number}", ["ada@alpha.example", "bob@alpha.example"], large)[-1])
        client.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply[:3] for reply in replies] == ["250"] * 10
    folder = mda.folder / "accounts"
    assert len({path.stat().st_ino for path in folder.glob("*/messages/*")}) == 10


def test_draining_finishes_what_is_under_way(mda: Any, client: Any) -> None:
    idle = mda.client()
    client.socket.sendall(b"XFORWARD IDENT=id1\r\nMAIL FROM:<>\r\nRCPT TO:<ada@alpha.example>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    mda.process.send_signal(signal.SIGTERM)
    assert idle.reply().startswith("421 4.3.2")
    client.socket.sendall(MESSAGE + b".\r\n")
    assert client.reply().startswith("250 2.0.0")
    assert client.reply().startswith("421 4.3.2")
    assert mda.process.wait(20) == 0
    idle.close()
    assert len(mailboxes(mda.folder, "ada")["INBOX"]) == 1
    mda.start()


def test_reload_and_a_new_directory(mda: Any, client: Any) -> None:
    settings = mda.folder / "mda.toml"
    settings.write_text(settings.read_text() + "max_message_bytes = 65536\n")
    mda.process.send_signal(signal.SIGHUP)
    mda.wait_for_all("read again")
    assert mda.client().say(b"MAIL FROM:<a@b> SIZE=70000\r\n").startswith("552")
    settings.write_text("nonsense")
    mda.process.send_signal(signal.SIGHUP)
    mda.wait_for_all("going on with the old settings")
    assert codes(client.send("id1", ["ada@alpha.example"], MESSAGE))[-1] == "250 2.0.0"


def test_no_directory_is_temporary(mda: Any, client: Any) -> None:
    (mda.folder / "directory.db").unlink()
    for number in range(100_000):  # the file is looked for once a second
        replies = codes(client.send(f"id{number}", ["ada@alpha.example"], MESSAGE))
        if replies == ["451 4.3.0"]:
            break
        assert replies == ["250 2.1.5", "250 2.0.0"]
    else:
        pytest.fail("the missing directory was not noticed")


def test_a_held_database_is_temporary_and_mail_is_not_lost(mda: Any, client: Any) -> None:
    client.send("id1", ["ada@alpha.example"], MESSAGE)
    holder = sqlite3.connect(mda.folder / "accounts" / "ada" / "account.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert codes(client.send("id2", ["ada@alpha.example"], MESSAGE))[-1] == "451 4.3.0"
    holder.execute("ROLLBACK")
    holder.close()
    assert codes(client.send("id2", ["ada@alpha.example"], MESSAGE))[-1] == "250 2.0.0"
    assert len(mailboxes(mda.folder, "ada")["INBOX"]) == 2


def test_kill_in_the_middle_loses_and_doubles_nothing(mda: Any) -> None:
    """The relay's part is played here: what has no answer is sent again with the same id."""
    total, answered = 300, 0
    pending = list(range(total))
    for threshold in (40, 120, total):
        client = mda.client()
        while pending and answered < threshold:
            replies = client.send(
                f"id{pending[0]}",
                ["ada@alpha.example", "bob@alpha.example"],
                MESSAGE + b"%d\r\n" % pending[0],
            )
            assert [reply[:3] for reply in replies] == ["250"] * 4
            pending.pop(0)
            answered += 1
        if pending:
            client.socket.sendall(
                b"XFORWARD IDENT=id%d\r\nMAIL FROM:<s@x.example>\r\nRCPT TO:<ada@alpha.example>\r\n"
                b"RCPT TO:<bob@alpha.example>\r\nDATA\r\n%s%d\r\n.\r\n" % (pending[0], MESSAGE, pending[0])
            )
            mda.end(signal.SIGKILL)
            mda.start()
        client.close()
    for account in ("ada", "bob"):
        bodies = [content.rsplit(b"\r\n", 2)[1] for content in mailboxes(mda.folder, account)["INBOX"]]
        assert sorted(map(int, bodies)) == list(range(total))
        findings = list(verify(str(mda.folder / "accounts"), account, False, lambda done, all_: None))
        assert findings == []


def test_check_config(mda: Any, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "postroom-mda"
    settings = mda.folder / "mda.toml"
    good = subprocess.run([program, "--check-config", settings], capture_output=True, text=True)
    assert (good.returncode, good.stdout) == (0, f"{settings}: ok\n")
    settings.write_text(settings.read_text().replace("/accounts", "/missing"))
    bad = subprocess.run([program, "--check-config", settings], capture_output=True, text=True)
    assert bad.returncode != 0
    assert "accounts_directory" in bad.stderr
    assert len(bad.stderr.splitlines()) == 1
