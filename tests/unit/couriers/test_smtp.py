"""The SMTP courier against servers that follow a script, kind ones and hostile ones."""

import asyncio

import pytest

from .scripted import MESSAGE, Peer, Serve, Servers, accept, courier_for, send


async def refuse_connections(peer: Peer) -> None:
    await peer.say("554 no")


async def test_a_session_is_used_again() -> None:
    servers = Servers()
    await servers.add("mx1.b.example", accept)
    async with courier_for(servers) as courier:
        for _ in range(3):
            attempt = await send(courier)
            assert [str(reply) for reply in attempt.replies] == ["250 2.0.0 taken"]
        assert servers.connections == 1
        assert attempt.host == f"mx1.b.example[127.0.0.1]:{servers.ports['mx1.b.example']}"


async def test_a_kept_session_that_died_is_replaced() -> None:
    async def once(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")
        await peer.line()  # the next MAIL comes, and we are gone

    servers = Servers()
    await servers.add("mx1.b.example", once, accept)
    async with courier_for(servers) as courier:
        assert (await send(courier)).replies[0].code == 250
        assert (await send(courier)).replies[0].code == 250
        assert servers.connections == 2


async def closes(peer: Peer) -> None:
    """No word at all."""


async def greets_late_421(peer: Peer) -> None:
    await peer.say("421 busy")


async def garbage(peer: Peer) -> None:
    await peer.say("\x00\xff HTTP/1.1 200 OK")


async def endless_lines(peer: Peer) -> None:
    while True:
        await peer.say(*["220-more"] * 1000)


async def one_endless_line(peer: Peer) -> None:
    while True:
        peer.writer.write(b"220 " + b"x" * 65536)
        await peer.writer.drain()


async def answers_before_asked(peer: Peer) -> None:
    await peer.greet("PIPELINING")
    await peer.hear("MAIL", "RCPT", "DATA")
    await peer.say("354 go", "354 go", "354 go")


async def mid_pipeline_421(peer: Peer) -> None:
    await peer.greet("PIPELINING")
    await peer.hear("MAIL")
    await peer.say("421 going down")


BAD = [refuse_connections, closes, greets_late_421, garbage, endless_lines, one_endless_line, answers_before_asked,
       mid_pipeline_421]  # fmt: skip


@pytest.mark.parametrize("script", BAD, ids=lambda script: script.__name__)
async def test_the_next_server_is_tried(script: Serve) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", script)
    await servers.add("mx2.b.example", accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.host.startswith("mx2.")


@pytest.mark.parametrize("script", BAD, ids=lambda script: script.__name__)
async def test_servers_that_misbehave_are_temporary_failures(script: Serve) -> None:
    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, script)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].temporary
        assert not attempt.reached


async def test_a_silent_server_times_out() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.Event().wait()

    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, silent)
    async with courier_for(servers, scale=0.001) as courier:
        attempt = await send(courier)
        assert "timed out" in str(attempt.replies[0])


async def test_a_reply_that_trickles_times_out_as_a_whole() -> None:
    async def trickle(peer: Peer) -> None:
        while True:
            await peer.say("220-x")
            await asyncio.sleep(0.02)

    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, trickle)
    async with courier_for(servers, scale=0.001) as courier:
        assert "timed out" in str((await send(courier)).replies[0])


async def test_close_at_data_may_mean_twice_and_is_no_reason_for_another_server() -> None:
    async def close_at_data(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()

    servers = Servers()
    await servers.add("mx1.b.example", close_at_data)
    await servers.add("mx2.b.example", accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].temporary
        assert "may arrive twice" in attempt.replies[0].text
        assert servers.connections == 1


async def test_each_recipient_has_its_own_reply() -> None:
    async def mixed(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "RCPT", "RCPT", "DATA")
        await peer.say(
            "250 ok", "550-5.1.1 no such", "550 5.1.1 user", "451 4.7.1 greylisted", "250 ok", "354 go"
        )
        await peer.message()
        await peer.say("250 2.0.0 taken")

    servers = Servers()
    await servers.add("mx1.b.example", mixed)
    async with courier_for(servers) as courier:
        attempt = await send(courier, "x@b.example", "y@b.example", "z@b.example")
        assert [reply.code for reply in attempt.replies] == [550, 451, 250]
        assert attempt.replies[0].text == "no such\nuser"


@pytest.mark.parametrize(
    ("keyword", "text", "status"), [("SIZE 10", MESSAGE, "5.3.4"), ("PIPELINING", "é\r\n".encode(), "5.6.3")]
)
async def test_what_the_server_cannot_take_is_not_offered(keyword: str, text: bytes, status: str) -> None:
    async def limited(peer: Peer) -> None:
        await peer.greet(keyword)
        await peer.hear("QUIT")

    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, limited)
    async with courier_for(servers) as courier:
        attempt = await send(courier, text=text)
        assert (attempt.replies[0].code // 100, attempt.replies[0].enhanced) == (5, status)
        assert attempt.results[0].said is None


async def test_null_mx_is_final() -> None:
    async with courier_for(Servers()) as courier:
        attempt = await send(courier, domain="dead.example")
        assert (attempt.replies[0].code, attempt.replies[0].enhanced) == (556, "5.1.10")


async def never_takes_mail(peer: Peer) -> None:
    await peer.say("521 mx takes no mail")


@pytest.mark.parametrize(("other", "code"), [(closes, 451), (never_takes_mail, 556)])
async def test_a_host_that_takes_no_mail_does_not_speak_for_the_others(other: Serve, code: int) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", other)
    await servers.add("mx2.b.example", never_takes_mail)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == code
        assert attempt.reached is (code == 556)
