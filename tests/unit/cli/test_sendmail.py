"""The sendmail command against a running msa."""

import asyncio
import os
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.cli import sendmail
from postroom.cli.sendmail import SendmailError, addresses, parse, phrase, read_message, split_list
from postroom.mail.headermailboxes import parse_address_list

from ...smtp_site import HOST, Site

COMMAND = [sys.executable, "-c", "from postroom.cli.sendmail import main; main()"]


async def run(
    site: Site, *arguments: str, stdin: bytes = b"", socket: Path | None = None
) -> tuple[int, bytes, bytes]:
    environment = {**os.environ, sendmail.SOCKET_VARIABLE: str(socket or site.socket_path)}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    out, problems = await asyncio.wait_for(process.communicate(stdin), 30)
    assert b"Traceback" not in problems, problems
    return process.returncode or 0, out, problems


async def test_recipients_as_arguments(site: Site) -> None:
    status, out, problems = await run(
        site, "root", "y@outside.example", stdin=b"Subject: one\n\nHello\n..x\n.y\n.\nlost\n"
    )
    assert (status, out, problems) == (0, b"", b"")
    (row,) = site.queued("msa")
    assert [one[1] for one in row.recipients] == ["ada@alpha.example", "y@outside.example"]
    assert row.sender == f"root@{HOST}"
    assert row.body == b"Hello\r\n..x\r\n.y\r\n"
    message = message_from_bytes(row.content)
    assert message["Subject"] == "one"
    assert f"<root@{HOST}>" in message["From"]
    assert message["Date"]
    assert message["Message-ID"]


async def test_recipients_from_the_header(site: Site) -> None:
    header = (
        b'From: Cron <root@mail.alpha.example>\nTo: "Doe, John" <y@outside.example>,\n root (local),'
        b" group: a@outside.example;\n"
        b"Cc: ada\nBcc: secret@outside.example\nSubject: x\n\n"
    )
    status, _, problems = await run(site, "-t", "-i", "-f", "", stdin=header + b"dots\n.\nstay\n")
    assert status == 67, problems  # ada@mail.alpha.example is nobody
    assert b"ada@mail.alpha.example" in problems
    (row,) = site.queued("msa")
    assert sorted(one[1] for one in row.recipients) == [
        "a@outside.example", "ada@alpha.example", "secret@outside.example", "y@outside.example",
    ]  # fmt: skip
    assert row.sender == ""
    assert b"secret" not in row.content
    assert row.body == b"dots\r\n.\r\nstay\r\n"


@pytest.mark.parametrize(
    ("stdin", "body"),
    [
        (b"From root Mon Nov 23\n>From root Mon Nov 23\nSubject: x\n\nbody\n", b"body\r\n"),
        (b"\xef\xbb\xbfSubject: x\n\nbody\n", b"body\r\n"),
        (b"Subject: x\nFrom\n : <ceo@bank.example>\nbody\n", b"From\r\n : <ceo@bank.example>\r\nbody\r\n"),
        (b"Subject: x\nSub\x07ject: y\n\nbody\n", b"Sub\x07ject: y\r\n\r\nbody\r\n"),
    ],
)
async def test_x10_what_is_no_field_is_mended(site: Site, stdin: bytes, body: bytes) -> None:
    assert (await run(site, "root", stdin=stdin))[0] == 0
    (row,) = site.queued("msa")
    assert row.body == body
    assert row.head.count(b"From:") == row.head.count(b"\nSubject: x\r\n") == 1


async def test_arguments_may_be_lists_and_have_names(site: Site) -> None:
    words = [
        "Bob <bob@outside.example>",
        "a@outside.example, b@outside.example",
        "root",
        '"Doe, J." <<d@x>',
        "",
    ]
    assert (await run(site, *words, stdin=b"x\n"))[0] == 65
    words[3] = '"Doe, J." <d@outside.example>'
    status, _, problems = await run(
        site, "-f", "Cron <bounce@alpha.example>", *words, stdin=b"Subject: x\n\nx\n"
    )
    assert status == 0, problems
    (row,) = site.queued("msa")
    assert row.sender == "bounce@alpha.example"
    assert sorted(one[1] for one in row.recipients) == [
        "a@outside.example", "ada@alpha.example", "b@outside.example", "bob@outside.example", "d@outside.example",
    ]  # fmt: skip
    assert (await run(site, "-f", "a@x.example, b@x.example", "root", stdin=b"x\n"))[0] == 64
    assert (await run(site, "-f", "<>", "<root>", stdin=b"Subject: x\n\nx\n"))[0] == 0
    assert site.queued("msa")[1].sender == ""


async def test_untidy_names_are_quoted_in_what_is_sent(site: Site) -> None:
    header = b"From: a@b.example [x] <root@mail.alpha.example>\nTo: y@z.example: <y@outside.example>;\nCc: root\n\nx\n"
    status, _, problems = await run(site, "-t", stdin=header)
    assert status == 0, problems
    (row,) = site.queued("msa")
    assert b'From: "a@b.example [x]" <root@mail.alpha.example>\r\n' in row.head
    assert b'To: "y@z.example:" <y@outside.example>\r\nCc: root\r\n' in row.head
    assert sorted(one[1] for one in row.recipients) == ["ada@alpha.example", "y@outside.example"]


async def test_an_empty_author_is_the_caller(site: Site) -> None:
    await run(site, "-f", "x@outside.example", "root", stdin=b"From:\nSubject: x\n\nx\n")
    (row,) = site.queued("msa")
    assert row.head.count(b"From:") == row.head.count(b"<x@outside.example>\r\n") == 1


async def test_resent_recipients_take_the_place(site: Site) -> None:
    header = b"To: y@outside.example\nResent-To: z@outside.example\nResent-Bcc: w@outside.example\n\nx\n"
    assert (await run(site, "-oi", "-t", stdin=header))[0] == 0
    (row,) = site.queued("msa")
    assert sorted(one[1] for one in row.recipients) == ["w@outside.example", "z@outside.example"]
    assert b"Resent-Bcc" not in row.head


async def test_names_and_senders(site: Site) -> None:
    await run(
        site,
        "-F",
        'Ä "quoted"',
        "-fbounce@alpha.example",
        "-N",
        "never",
        "-R",
        "hdrs",
        "-V",
        "id",
        "root",
        stdin=b"\nx\n",
    )
    (row,) = site.queued("msa")
    assert row.sender == "bounce@alpha.example"
    assert b"From: =?utf-8?b?w4QgInF1b3RlZCI=?= <bounce@alpha.example>\r\n" in row.head


@pytest.mark.parametrize(
    ("arguments", "stdin", "status"),
    [
        ([], b"x\n", 64),
        (["-Z", "root"], b"x\n", 64),
        (["-f"], b"x\n", 64),
        (["-bz", "root"], b"x\n", 64),
        (["ro\not"], b"x\n", 64),
        (["-F", "a\rb", "root"], b"x\n", 64),
        (["-f", "a\x1bb", "root"], b"x\n", 64),
        (["-t"], b"Subject: x\n\nx\n", 65),
        (["-t"], b"To: <broken\n\nx\n", 65),
        (["root"], b"a\0b\n", 65),
        (["a b", "root"], b"x\n", 64),
        (["nobody"], b"x\n", 67),
        (["-f", "\u00fc@x.example", "root"], b"x\n", 65),
        (["-bi"], b"", 0),
        (["-q"], b"", 0),
    ],
)
async def test_exit_status(site: Site, arguments: list[str], stdin: bytes, status: int) -> None:
    assert (await run(site, *arguments, stdin=stdin))[0] == status
    assert site.queued("msa") == []


async def test_without_a_mail_system(site: Site, tmp_path: Path) -> None:
    status, _, problems = await run(site, "root", stdin=b"x\n", socket=tmp_path / "none")
    assert status == 75
    assert problems.startswith(b"sendmail: mail system does not run")
    assert problems.count(b"\n") == 1


async def test_smtp_on_standard_input(site: Site) -> None:
    dialog = f"EHLO x\r\nMAIL FROM:<root@{HOST}>\r\nRCPT TO:<root@{HOST}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"
    status, out, _ = await run(site, "-bs", stdin=dialog.encode())
    assert status == 0
    assert out.startswith(b"220 mail.alpha.example ")
    assert out.endswith(b"221 2.0.0 Bye\r\n")
    assert len(site.queued("msa")) == 1


async def test_who_does_not_read_the_answers_gets_a_status(site: Site) -> None:
    script = 'exec 3>&1; { "$@"; echo $? >&3; } </dev/null | true'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, "sh", *COMMAND, "-bs",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, sendmail.SOCKET_VARIABLE: str(site.socket_path)},
    )  # fmt: skip
    out, problems = await asyncio.wait_for(process.communicate(), 30)
    assert out == b"75\n"
    assert problems.startswith(b"sendmail: mail system: ")
    assert problems.count(b"\n") == 1


@pytest.mark.settings(max_recipients_local=120)
async def test_more_recipients_than_a_person_may_have(site: Site) -> None:
    header = b"".join(b"To: u%d@outside.example\n" % number for number in range(120))
    assert (await run(site, "-t", stdin=header + b"\nx\n"))[0] == 0
    (row,) = site.queued("msa")
    assert len(row.recipients) == 120
    assert (await run(site, "-t", "root", stdin=header + b"\nx\n"))[0] == 75
    assert len(site.queued("msa")) == 1


async def test_verbose(site: Site) -> None:
    _, _, problems = await run(site, "-v", "root", stdin=b"x\n")
    assert b">>> DATA\n" in problems


def test_no_third_party_import_is_needed() -> None:
    code = (
        "import sys; from postroom.cli import sendmail; "
        "print(*[m for m in ('msgspec', 'click', 'asyncio', 'aiosmtpd', 'dns', 'email', 'ssl') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.example, c", ["a@b.example", "c"]),
        (b'"x, y" <a@b.example>', ["a@b.example"]),
        (b"x (one, two) <a@b.example>, (only) root", ["a@b.example", "root"]),
        (b"Root <root>", ["root"]),
        (b"undisclosed-recipients:;", []),
        (b"list: a@b.example, c@d.example;, root", ["a@b.example", "c@d.example", "root"]),
        (b"", []),
        (b"info@shop.example <info@shop.example>", ["info@shop.example"]),
        (b"[List] a & b @ c \\ d . <a@b.example>, root", ["a@b.example", "root"]),
        (b"Doe; John: x <a@b.example>", ["a@b.example"]),
        (b"[x] <root>", ["root"]),
        (b"a..b@docomo.example, <c.@docomo.example>", ["a..b@docomo.example", "c.@docomo.example"]),
        (b"[x] <a..b@docomo.example>", ["a..b@docomo.example"]),
        (b'"a b"@c.example', ['"a b"@c.example']),
        (b"bob@[IPv6:::1], <ada@[192.0.2.1]>", ["bob@[IPv6:::1]", "ada@[192.0.2.1]"]),
        (b"a@b.example; c@d.example", ["a@b.example", "c@d.example"]),
    ],
)
def test_addresses(value: bytes, expected: list[str]) -> None:
    assert addresses(value) == expected


@given(
    st.lists(
        st.sampled_from(
            [b"a", b"@", b"b.example", b",", b'"', b"\\", b"(", b")", b"<", b">", b":", b";", b" ", b"\x00"]
        )
    )
)
def test_any_field_is_read_or_refused(pieces: list[bytes]) -> None:
    value = b"".join(pieces)
    try:
        found = addresses(value)
    except SendmailError:
        return
    assert all(one.isprintable() for one in found)
    assert len(split_list(value)) <= value.count(b",") + value.count(b";") + 1


@given(st.text(max_size=100))
def test_names_become_phrases(name: str) -> None:
    if not name.isprintable():
        return
    result = parse_address_list(f"{phrase(name)}<a@b.example>".encode("ascii"))
    assert not result.malformed
    assert [one.address for one in result.mailboxes] == [b"a@b.example"]


@pytest.mark.parametrize(
    ("octets", "ignore", "expected"),
    [
        (b"a\nb", False, b"a\r\nb\r\n"),
        (b"a\r\nb\r", False, b"a\r\nb\r\n"),
        (b"a\n.\nb\n", False, b"a\r\n"),
        (b"a\n.\nb\n", True, b"a\r\n.\r\nb\r\n"),
        (b"a\n.", False, b"a\r\n"),
        (b".\nx", False, b""),
        (b"", False, b""),
    ],
)
def test_standard_input(octets: bytes, ignore: bool, expected: bytes) -> None:
    assert read_message(octets, ignore_dots=ignore) == expected


def test_options_may_be_joined() -> None:
    options = parse(["-tioi", "-fx@y.example", "-bm", "--", "-odd"])
    assert (options.from_header, options.ignore_dots, options.sender, options.recipients) == (
        True, True, "x@y.example", ["-odd"],
    )  # fmt: skip
