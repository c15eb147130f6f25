"""S11: no form of address makes us relay."""

import pytest

from ...smtp_site import HOST, Site

OUTSIDE = "victim@outside.example"
TARGETS = (
    OUTSIDE, "victim@OUTSIDE.example", "victim@sub.alpha.example.outside.example",
    "victim@alpha.example.outside.example",
    "victim%outside.example@alpha.example", f"victim%outside.example@{HOST}", "victim%outside.example@[127.0.0.1]",
    "outside.example!victim@alpha.example", "outside.example!victim", "outside.example!victim@[127.0.0.1]",
    "@alpha.example:victim@outside.example", "@alpha.example,@mail.alpha.example:victim@outside.example",
    '"victim@outside.example"@alpha.example', '"victim@outside.example"', '"victim%outside.example"@alpha.example',
    '"outside.example!victim"@alpha.example', "victim@[127.0.0.1]", "victim@[IPv6:::1]", "victim@[192.0.2.1]",
    "ada@[203.0.113.9]", "victim@localhost", "victim@127.0.0.1", "victim", "victim@", "@outside.example", "",
    "victim@outside.example@alpha.example", "victim@alpha.example@outside.example", "ada@alpha.example@outside.example",
    "victim@outside.example ", "victim@outside.example\t", "victim@outside.example,ada@alpha.example",
    "ada@alpha.example>,<victim@outside.example", "ada@alpha.example\\@outside.example", "victim@outside..example",
    "victim@.outside.example", "victim@outside.example.", "victim..@outside.example", "victim@alpha_example",
    "victim(ada@alpha.example)@outside.example", "v\xefctim@outside.example", "ada@alpha\x00.example",
    "SRS0=aaaaaaaa=aa=outside.example=victim@alpha.example",
    "SRS1=aaaaaaaa=outside.example==aaaa=aa=x.example=v@alpha.example",
    "srs0+aaaaaaaa=aa=outside.example=victim@alpha.example", "SRS0=outside.example=victim@alpha.example",
)  # fmt: skip
SENDERS = ("", "victim@outside.example", "ada@alpha.example", f"root@{HOST}", "x@[127.0.0.1]")
FORMS = ("RCPT TO:<{}>", "RCPT TO:{}", "rcpt to: <{}>", "RCPT TO:<<{}>>", 'RCPT TO:<"{}">')


@pytest.mark.settings(max_errors=100000, max_commands=100000)
@pytest.mark.parametrize("sender", SENDERS)
async def test_nothing_is_relayed(site: Site, sender: str) -> None:
    client = await site.greeted()
    for target in TARGETS:
        for form in FORMS:
            assert (await client.ask(f"MAIL FROM:<{sender}>")).startswith("250 ")
            reply = await client.ask(form.format(target))
            assert reply[0] == "5", (form, target, reply)
            assert (await client.ask("DATA"))[0] == "5"
            await client.ask("RSET")
    assert site.queued() == []


async def test_the_hosts_own_literal_leads_to_its_people_alone(site: Site) -> None:
    """RFC 1123 section 5.2.17"""
    client = await site.greeted()
    assert (await client.send_message("", ["ada@[127.0.0.1]"], b"From: x@b.example\r\n\r\n")).startswith(
        "250 "
    )
    (row,) = site.queued()
    assert row.recipients == (("mailbox", "ada@alpha.example", "id-ada", None),)
    assert b"for <ada@[127.0.0.1]>" in row.head


async def test_helo_in_our_name_opens_nothing(site: Site) -> None:
    client = await site.connect()
    await client.reply()
    for helo in (HOST, "alpha.example", "localhost", "[127.0.0.1]"):
        assert (await client.ask(f"EHLO {helo}")).startswith("250-")
        await client.ask("MAIL FROM:<ada@alpha.example>")
        assert (await client.ask(f"RCPT TO:<{OUTSIDE}>")).startswith("550 5.7.1")
