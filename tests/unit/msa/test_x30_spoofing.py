"""X30: a login sends in its own name only: envelope, From, Sender, Resent fields."""

import pytest

from ...smtp_site import Site

MINE = "ada@alpha.example"
REST = b"To: y@outside.example\r\n\r\nHello\r\n"


async def send(site: Site, sender: str, head: bytes) -> str:
    client = await site.logged_in()
    return await client.send_message(sender, ["y@outside.example"], head + REST)


@pytest.mark.parametrize(
    "sender",
    ["", MINE, "ADA@Alpha.example", "ada+tag@alpha.example", "ada.l@alpha.example", "ada@alias.example"],
)
@pytest.mark.parametrize(
    "author", ["ada@alpha.example", "ada.l@alpha.example", "ada+x@alpha.example", "ada@alias.example"]
)
async def test_ones_own_addresses(site: Site, sender: str, author: str) -> None:
    assert (await send(site, sender, f"From: Ada <{author}>\r\n".encode())).startswith("250 ")


@pytest.mark.parametrize(
    "sender",
    ["bob@alpha.example", "eve@gamma.example", "x@outside.example", "postmaster@alpha.example", "team@alpha.example",
     "ada@gamma.example", "ada@mail.alpha.example", '"ada@alpha.example"@outside.example', "ada@[127.0.0.1]",
     "adam@alpha.example", "+ada@alpha.example"],
)  # fmt: skip
async def test_envelope_of_others(site: Site, sender: str) -> None:
    assert (await send(site, sender, b"From: ada@alpha.example\r\n")).startswith("553 5.7.1")
    assert site.queued("msa") == []


@pytest.mark.parametrize(
    "head",
    [
        b"From: bob@alpha.example\r\n",
        b"From: eve@gamma.example\r\n",
        b"From: x@outside.example\r\n",
        b"From: ada@alpha.example\r\nFrom: bob@alpha.example\r\n",
        b"From: bob@alpha.example\r\nFrom: ada@alpha.example\r\n",
        b"From: ada@alpha.example, bob@alpha.example\r\n",
        b"From: ada@alpha.example\r\nfrom : bob@alpha.example\r\n",
        b"From:\r\n\tbob@alpha.example\r\n",
        b"From: =?utf-8?q?bob=40alpha.example?=\r\n",
        b"From: =?utf-8?b?Ym9iQGFscGhhLmV4YW1wbGU=?= <bob@alpha.example>\r\n",
        b'From: "ada@alpha.example" <bob@alpha.example>\r\n',
        b"From: ada@alpha.example <bob@alpha.example>\r\n",
        b"From: <ada@alpha.example> <bob@alpha.example>\r\n",
        b"From: (ada@alpha.example) bob@alpha.example\r\n",
        b"From: bob@alpha.example (ada@alpha.example)\r\n",
        b"From: group: bob@alpha.example;\r\n",
        b"From: nobody:;\r\n",
        b"From: <@alpha.example:bob@alpha.example>\r\n",
        b"From: ada@alpha.example\x00, bob@alpha.example\r\n",
        b"From: b\xc3\xb6b@alpha.example\r\n",
        b"From: ada@alpha.example\r\nSender: bob@alpha.example\r\n",
        b"From: ada@alpha.example\r\nResent-From: bob@alpha.example\r\n",
        b"From: ada@alpha.example\r\nResent-Sender: x@outside.example\r\n",
        b"From: ada@alpha.example\r\nSender: <ada@alpha.example\r\n",
        b"From:\r\nFrom: bob@alpha.example\r\n",
        b"From: [x] <bob@alpha.example>\r\n",
        b"From: ada@alpha.example: <bob@alpha.example>\r\n",
        b"From: bob@alpha.example, [x] <ada@alpha.example>\r\n",
        b"From: bob@alpha.example; [x] <ada@alpha.example>\r\n",
        b'From: "bob@alpha.example", ada <ada@alpha.example>\r\n',
        b"From: =?utf-8?q?bob=40alpha.example?=, ada <ada@alpha.example>\r\n",
        b"From: =?utf-8?q?bob=40alpha.example?=, ada@alpha.example\r\n",
        b"From: <bob@alpha.example> [x] <ada@alpha.example>\r\n",
        b"From: <ada@alpha.example> bob@alpha.example\r\n",
        b"From: [x] <ada@alpha.example> (<bob@alpha.example>)\r\n",
        b"From: [x] <bob@alpha.example ada@alpha.example>\r\n",
        b"From: [x] <ada@alpha.example\x08\x08>\r\n",
        b"From: [x] <>\r\n",
        b"From: root (Cron Daemon)\r\n",
        b"From\r\n : bob@alpha.example\r\nFrom: ada@alpha.example\r\n",
        b"From: ada@alpha.example\r\nSender: [x] <bob@alpha.example>\r\n",
        b"From: ada@alpha.example\r\nResent-From: ada@alpha.example: <bob@alpha.example>\r\n",
        b"Sender: bob@alpha.example\r\n",
        b"From: b@alpha.example=?utf-8?q??=\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("sender", ["", MINE])
async def test_header_of_others(site: Site, sender: str, head: bytes) -> None:
    reply = await send(site, sender, head)
    assert reply[:9] in ("553 5.7.1", "554 5.6.0"), reply
    assert site.queued("msa") == []


async def test_own_sender_fields(site: Site) -> None:
    head = b"From: ada@alpha.example\r\nSender: Ada <ada.l@alpha.example>\r\nResent-From: ada+x@alpha.example\r\n"
    assert (await send(site, MINE, head)).startswith("250 ")


ONE_AUTHOR = [
    (b"From: ada@alpha.example (<bob@alpha.example>)\r\n", b"From: <ada@alpha.example>\r\n"),
    (b"From: <@bob.example:ada@alpha.example>\r\n", b"From: <ada@alpha.example>\r\n"),
    (b"From: ada@alpha.example.;\r\n", b"From: <ada@alpha.example>\r\n"),
    (b"From: bob, ada@alpha.example\r\n", b"From: <ada@alpha.example>\r\n"),
    (b"From: bob@alpha.example <ada@alpha.example>\r\n", b'From: "bob@alpha.example" <ada@alpha.example>\r\n'),
    (b"From: Sales: [EU] <ada.l@alpha.example>;\r\n", b'From: "Sales: [EU]" <ada.l@alpha.example>\r\n'),
    (b"From: a & b @ c\r\n\t<ada@alpha.example>\r\n", b'From: "a & b @ c" <ada@alpha.example>\r\n'),
    (b"From: Lovelace, Ada <ada@alpha.example>\r\n", b'From: "Lovelace, Ada" <ada@alpha.example>\r\n'),
    (b"From: ada@alpha.example\r\nSender: [x] <ada+y@alpha.example>\r\n",
     b'From: ada@alpha.example\r\nSender: "[x]" <ada+y@alpha.example>\r\n'),
]  # fmt: skip


@pytest.mark.parametrize(("head", "sent"), ONE_AUTHOR)
async def test_what_is_sent_names_its_author_to_every_reader_alike(
    site: Site, head: bytes, sent: bytes
) -> None:
    message = b"Subject: x\r\n" + head
    assert (await send(site, MINE, message)).startswith("250 ")
    (row,) = site.queued("msa")
    assert row.content.endswith(b"Subject: x\r\n" + sent + REST)
    assert row.size == len(row.content)
    assert row.signing_domain == "alpha.example"


@pytest.mark.parametrize("head", [b"", b"From:\r\n", b"From: \r\n\t\r\n"])
@pytest.mark.parametrize("sender", ["", MINE, "ada.l@alpha.example"])
async def test_a_missing_author_is_the_login(site: Site, sender: str, head: bytes) -> None:
    assert (await send(site, sender, head + b"Subject: x\r\n")).startswith("250 ")
    (row,) = site.queued("msa")
    assert row.head.count(b"From:") == row.head.count(b"From: ada@alpha.example\r\n") == 1
    assert row.signing_domain == "alpha.example"
