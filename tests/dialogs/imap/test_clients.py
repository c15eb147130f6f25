"""Real mail programs against the server: imaplib, IMAPClient, curl, mbsync."""

import asyncio
import imaplib
from pathlib import Path

import imapclient

from .conftest import Server

MAIL = (
    b"From: Ada <ada@alpha.example>\r\nTo: bob@alpha.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Mon, 6 Mar 2023 10:00:00 +0000\r\nMessage-ID: <1@alpha.example>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nSGFsbG8gV2VsdCwgdG9kYXkgaXMgTWFyY2g=\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: x@y.example\r\n\r\ninner text\r\n--b--\r\n"
)


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_imaplib(server: Server) -> None:
    await server.deliver("ada", MAIL)

    def work() -> None:
        client = imaplib.IMAP4("localhost", server.ports["imap"])
        client.starttls(server.client_tls())
        client.login("ada@alpha.example", "secret")
        assert client.select("INBOX") == ("OK", [b"1"])
        client.literal = "GRÜßE".encode()
        assert client.search("UTF-8", "SUBJECT")[1] == [b"1"]
        assert client.search(None, "BODY", '"Hallo Welt"')[1] == [b"1"]
        assert client.search(None, "TEXT", "inner", "SENTON", "6-Mar-2023")[1] == [b"1"]
        assert client.search(None, "NOT", "BODY", '"inner text"')[1] == [b""]
        _, data = client.fetch("1", "(BODY[2.TEXT] BODY[2.HEADER] BODY[1.MIME] BODY[3])")
        texts = [item[1] for item in data if isinstance(item, tuple)]
        assert texts[0] == b"inner text"
        assert texts[1] == b"Subject: inner\r\nFrom: x@y.example\r\n\r\n"
        assert texts[2].startswith(b"Content-Type: text/plain")
        assert b"BODY[3] NIL" in data[-1]
        assert client.fetch("1", "(RFC822)")[1][0][1] == MAIL
        assert client.append("INBOX", "(\\Flagged)", None, MAIL.replace(b"\r\n", b"\n"))[0] == "OK"
        assert client.fetch("2", "(RFC822)")[1][0][1] == MAIL
        assert client.status("INBOX", "(MESSAGES UIDNEXT)")[1] == [b'"INBOX" (MESSAGES 2 UIDNEXT 3)']
        client.logout()

    await asyncio.to_thread(work)


async def test_imapclient(server: Server) -> None:
    await server.deliver("ada", MAIL)

    def work() -> None:
        with imapclient.IMAPClient(
            "localhost", server.ports["imaps"], ssl_context=server.client_tls()
        ) as client:
            client.login("ada@alpha.example", "secret")
            assert {b"IDLE", b"MOVE", b"UIDPLUS", b"CONDSTORE", b"QUOTA"} <= set(client.capabilities())
            assert client.find_special_folder(b"\\Sent") == "Sent"
            client.create_folder("Büro/2026")
            assert "Büro/2026" in [name for _, _, name in client.list_folders()]
            client.select_folder("INBOX")
            found = client.fetch([1], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822.SIZE"])[1]
            assert found[b"ENVELOPE"].message_id == b"<1@alpha.example>"
            assert found[b"BODYSTRUCTURE"].is_multipart
            assert found[b"RFC822.SIZE"] == len(MAIL)
            assert client.search(["BODY", "inner text"]) == [1]
            client.idle()
            with imapclient.IMAPClient("localhost", server.ports["imap"], ssl=False) as other:
                other.starttls(server.client_tls())
                other.login("ada@alpha.example", "secret")
                other.append("INBOX", MAIL, [imapclient.FLAGGED])
                assert (2, b"EXISTS") in client.idle_check(timeout=60)
            client.idle_done()
            client.move([1, 2], "Büro/2026")
            assert client.folder_status("Büro/2026")[b"MESSAGES"] == 2
            assert client.search() == []
            (quota,) = client.get_quota()
            assert (quota.resource, quota.limit) == ("STORAGE", 10240)

    server.people.quota_bytes = 10 << 20
    await asyncio.to_thread(work)


async def test_curl(server: Server, tmp_path: Path) -> None:
    await server.deliver("ada", MAIL)
    base = f"imaps://localhost:{server.ports['imaps']}"
    common = ("curl", "-sS", "--cacert", str(server.certificate), "-u", "ada@alpha.example:secret")
    assert "inner text" in await run(*common, f"{base}/INBOX;MAILINDEX=1")
    (tmp_path / "mail").write_bytes(MAIL)
    await run(*common, "-T", str(tmp_path / "mail"), f"{base}/Sent")
    assert "(MESSAGES 1)" in await run(*common, base, "-X", "STATUS Sent (MESSAGES)")
    plain = f"imap://localhost:{server.ports['imap']}/INBOX"
    assert "* SEARCH 1" in await run(*common, "--ssl-reqd", plain, "-X", "SEARCH SUBJECT GR")


async def test_mbsync_both_ways(server: Server, tmp_path: Path) -> None:
    for _ in range(5):
        await server.deliver("ada", MAIL)
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"IMAPAccount a\nHost localhost\nPort {server.ports['imaps']}\nUser ada@alpha.example\nPass secret\n"
        f"SSLType IMAPS\nCertificateFile {server.certificate}\n\nIMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {tmp_path}/near/\nInbox {tmp_path}/near/INBOX\nSubFolders Verbatim\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    )
    config.chmod(0o600)
    (tmp_path / "near").mkdir()
    await run("mbsync", "-c", str(config), "c")
    new = sorted((tmp_path / "near/INBOX/new").iterdir())
    assert len(new) == 5
    assert b"inner text" in new[0].read_bytes()
    own = tmp_path / "near/Sent/cur/1700000000.1.here:2,S"
    own.write_bytes(MAIL.replace(b"\r\n", b"\n"))
    new[0].rename(tmp_path / "near/INBOX/cur" / (new[0].name.partition(":")[0] + ":2,FS"))
    new[1].unlink()
    await run("mbsync", "-c", str(config), "c")
    account = await server.store.account("ada", "ada")
    assert (await account.status("Sent")).messages == 1
    status = await account.status("INBOX")
    assert (status.messages, status.unseen) == (4, 3)
