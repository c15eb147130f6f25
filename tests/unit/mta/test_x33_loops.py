"""X33: loops end, and nobody is answered who did not send."""

import pytest

from ...smtp_site import Site

MESSAGE = b"From: x@outside.example\r\n\r\nHello\r\n"


@pytest.mark.parametrize(("hops", "code"), [(49, "250 2.0.0"), (50, "554 5.4.6"), (400, "554 5.4.6")])
@pytest.mark.parametrize("field", [b"Received: from a by b; x\r\n", b"RECEIVED:\r\n\tfrom a\r\n"])
async def test_hops(site: Site, hops: int, code: str, field: bytes) -> None:
    client = await site.greeted()
    reply = await client.send_message("x@outside.example", ["ada@alpha.example"], field * hops + MESSAGE)
    assert reply.startswith(code)


async def test_too_many_fields_or_octets(site: Site) -> None:
    client = await site.greeted()
    for head in (b"X: y\r\n" * 1001, b"X: " + b"y" * 60000 + b"\r\n" + (b" " + b"y" * 60000 + b"\r\n") * 18):
        reply = await client.send_message("x@outside.example", ["ada@alpha.example"], head + MESSAGE)
        assert reply.startswith("554 5.6.0"), reply


async def test_null_sender_is_taken_and_never_vouched_for(site: Site) -> None:
    client = await site.greeted()
    assert (await client.send_message("", ["ada@alpha.example"], MESSAGE)).startswith("250 ")
    (row,) = site.queued()
    assert row.sender == ""
    assert not row.vouched
