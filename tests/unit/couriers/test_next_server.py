"""What one server cannot do now the next one may, in every phase and for each recipient. RFC 5321 section 5.1."""

import asyncio
from itertools import repeat

import pytest
from postroom.couriers.parcel import Attempt, Parcel, Result
from postroom.couriers.smtp import SmtpCourier
from postroom.policy.lookups import Answer, LookupStatus, Mx, Query, RecordType
from postroom.wire.smtp.client import Outgoing
from postroom.wire.smtp.replies import Reply

from . import scripted
from .scripted import MESSAGE, Peer, Serve, Servers, accept, courier_for, send

MX1, MX2 = "mx1.b.example", "mx2.b.example"
EIGHT = "Subject: x\r\n\r\né\r\n".encode()


def refusing(phase: str, *words: str, keywords: tuple[str, ...] = ("PIPELINING",), more: int = 0) -> Serve:
    """A server that says the words in a phase, and goes when there are none; `more` recipients besides one."""

    async def script(peer: Peer) -> None:
        if phase == "banner":
            await peer.say(*words)
            return
        if phase == "EHLO":
            await peer.say("220 mx")
            await peer.hear("EHLO")
            await peer.say(*words)
            return
        await peer.greet(*keywords)
        await peer.hear("MAIL")
        if "PIPELINING" in keywords:
            await peer.hear(*["RCPT"] * (more + 1), "DATA")
        refused = words * (more + 1)
        if phase == "MAIL":
            await peer.say(*words, *["503 no"] * (more + 2) if words and words[0][:3] != "421" else ())
        elif phase == "RCPT":
            await peer.say("250 ok", *refused, *["503 no"] if words and words[0][:3] != "421" else ())
        else:
            await peer.say("250 ok", *["250 ok"] * (more + 1), *words if phase == "DATA" else ("354 go",))
            if phase == "dot":
                await peer.message()
                await peer.say(*words)
        if words:
            await peer.reader.read(100)

    return script


SOON = [
    *((phase, "451 4.3.0 not now") for phase in ("banner", "EHLO", "MAIL", "RCPT", "DATA", "dot")),
    *((phase, "421 4.3.2 going down") for phase in ("banner", "EHLO", "MAIL", "RCPT", "DATA", "dot")),
    *((phase, "") for phase in ("banner", "EHLO", "MAIL", "RCPT", "DATA")),
    *((phase, "250-x\r\n251 y") for phase in ("banner", "EHLO", "MAIL", "RCPT", "DATA")),
]


@pytest.mark.parametrize(("phase", "words"), SOON)
async def test_what_fails_for_now_is_offered_to_the_next_server(phase: str, words: str) -> None:
    servers = Servers()
    await servers.add(MX1, refusing(phase, *[words] if words else []))
    await servers.add(MX2, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert [str(reply) for reply in attempt.replies] == ["250 2.0.0 taken"]
        assert (attempt.results[0].host_name, attempt.reached) == (MX2, True)


@pytest.mark.parametrize(("phase", "words"), SOON)
async def test_what_fails_everywhere_is_told_with_its_reason(phase: str, words: str) -> None:
    servers = Servers()
    for host in (MX1, MX2):
        await servers.add(host, refusing(phase, *[words] if words else []))
    async with courier_for(servers) as courier:
        (result,) = (await send(courier)).results
        assert result.reply.temporary
        assert (result.host_name, servers.connections) == (MX2, 2)
        assert "aborted" not in str(result.reply)
        if words.startswith("4"):
            assert str(result.said) == words
            assert str(result.reply).count(words) == 1
        else:
            assert result.said is None
            expected = "lines of one reply differ" if words else "server closed the connection"
            assert str(result.reply).count(expected) == 1


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "dot"])
async def test_never_is_never_and_no_question_for_the_next_server(phase: str) -> None:
    servers = Servers()
    await servers.add(MX1, refusing(phase, "550 5.7.1 never"))
    await servers.add(MX2, accept)
    async with courier_for(servers) as courier:
        (result,) = (await send(courier)).results
        assert (str(result.reply), result.said, servers.connections) == ("550 5.7.1 never", result.reply, 1)


async def test_who_was_accepted_is_not_sent_again() -> None:
    async def first(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT TO:<x@", "RCPT TO:<y@", "RCPT TO:<z@", "DATA")
        await peer.say("250 ok", "250 ok", "451 4.7.1 later", "550 5.1.1 never", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 first")

    async def second(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT TO:<y@", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        assert heard == {0: "250 2.0.0 first"}  # told before the next server is begun with
        await peer.message()
        await peer.say("250 2.0.0 second")

    heard: dict[int, str] = {}
    servers = Servers()
    await servers.add(MX1, first)
    await servers.add(MX2, second)
    async with courier_for(servers) as courier, asyncio.timeout(60):
        outgoing = Outgoing("ada@a.example", tuple((f"{name}@b.example", "") for name in "xyz"))
        parcel = Parcel("id", len(MESSAGE), False, lambda: (MESSAGE,))
        attempt = await courier.deliver(
            "b.example",
            outgoing,
            parcel,
            taken=lambda results: heard.update({n: str(r.reply) for n, r in results.items()}),
        )
        assert [(str(one.reply), one.host_name) for one in attempt.results] == [
            ("250 2.0.0 first", MX1),
            ("250 2.0.0 second", MX2),
            ("550 5.1.1 never", MX1),
        ]


@pytest.mark.parametrize("other", [None, "banner", "EHLO", "MAIL"])
async def test_the_reason_is_that_of_the_server_that_knows_most(other: str | None) -> None:
    """The second one refuses connections, or talks without having judged the recipient."""
    servers = Servers()
    await servers.add(MX1, refusing("RCPT", "450 4.7.1 greylisted"))
    if other:
        await servers.add(MX2, refusing(other, "421 4.3.2 busy"))
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        (result,) = attempt.results
        assert (str(result.said), result.host_name) == ("450 4.7.1 greylisted", MX1)
        assert attempt.reached


async def send_large(courier: SmtpCourier) -> Attempt:
    """20 MB, piece by piece."""
    piece = (b"x" * 998 + b"\r\n") * 100
    parcel = Parcel("id", 200 * len(piece), False, lambda: repeat(piece, 200))
    async with asyncio.timeout(60):
        return await courier.deliver(
            "b.example", Outgoing("ada@a.example", (("bob@b.example", ""),), parcel.size), parcel
        )


async def test_a_message_cut_off_before_its_end_is_offered_to_the_next_server() -> None:
    """Nothing can have been accepted: its end was never written."""

    async def cuts(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.reader.readexactly(100_000)
        peer.writer.transport.abort()

    async def takes(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        while (await peer.line()) != ".":
            pass
        await peer.say("250 2.0.0 taken")

    servers = Servers()
    await servers.add(MX1, cuts)
    await servers.add(MX2, takes)
    async with courier_for(servers) as courier:
        attempt = await send_large(courier)
        assert (attempt.replies[0].code, attempt.results[0].host_name) == (250, MX2)


async def test_a_refusal_with_which_a_server_leaves_in_the_middle_is_heard() -> None:
    async def too_big(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.reader.readexactly(100_000)
        await peer.say("552 5.3.4 too big")
        peer.writer.write_eof()
        while await peer.reader.read(1 << 16):
            pass

    servers = Servers()
    await servers.add(MX1, too_big)
    async with courier_for(servers) as courier:
        attempt = await send_large(courier)
        assert str(attempt.results[0].said) == "552 5.3.4 too big"


@pytest.mark.parametrize(("heard", "connections"), [(0, 2), (2, 2), (3, 1)])
async def test_silence_leads_to_the_next_server_unless_the_message_may_have_been_taken(
    heard: int, connections: int
) -> None:
    """RFC 1047: behind the final dot nobody knows, and to ask another server now would make a second copy likely."""

    async def silent(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say(*("250 ok", "250 ok", "354 go")[:heard])
        await peer.reader.read()

    servers = Servers()
    await servers.add(MX1, silent)
    await servers.add(MX2, accept)
    async with courier_for(servers, scale=0.01) as courier:
        attempt = await send(courier)
        assert servers.connections == connections
        if connections == 2:
            assert attempt.results[0].host_name == MX2
        else:
            assert attempt.results[0].said is None
            assert "may arrive twice" in attempt.replies[0].text
            assert attempt.replies[0].temporary


def limited(*keywords: str) -> Serve:
    async def script(peer: Peer) -> None:
        await peer.greet(*keywords)
        await peer.hear("QUIT")

    return script


async def take_eight(peer: Peer) -> None:
    await peer.greet("PIPELINING", "8BITMIME")
    await peer.hear("MAIL", "RCPT", "DATA")
    await peer.say("250 ok", "250 ok", "354 go")
    await peer.message()
    await peer.say("250 2.0.0 taken")


@pytest.mark.parametrize("keyword", ["SIZE 10", "PIPELINING"])
async def test_a_limit_of_one_server_is_not_the_others(keyword: str) -> None:
    servers = Servers()
    await servers.add(MX1, limited(keyword))
    await servers.add(MX2, take_eight)
    async with courier_for(servers) as courier:
        attempt = await send(courier, text=EIGHT)
        assert (attempt.replies[0].code, attempt.results[0].host_name) == (250, MX2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_limit_is_final_only_when_no_server_may_take_it_later(order: tuple[int, int]) -> None:
    scripts = (limited("SIZE 10"), refusing("RCPT", "451 4.7.1 later"))
    servers = Servers()
    await servers.add(MX1, scripts[order[0]])
    await servers.add(MX2, scripts[order[1]])
    async with courier_for(servers) as courier:
        (result,) = (await send(courier)).results
        assert str(result.said) == "451 4.7.1 later"


@pytest.mark.parametrize(
    ("converted", "code"),
    [
        (Parcel("id", 8, False, lambda: (b"seven\r\n",)), 250),
        (Reply(451, "4.3.5", "not now"), 451),
        (None, 554),
    ],
)
async def test_a_server_without_eight_bits_gets_what_can_be_converted(
    converted: Parcel | Reply | None, code: int
) -> None:
    async def takes_seven(peer: Peer) -> None:
        await peer.greet("PIPELINING", "SIZE 1000")
        line = await peer.line()
        if line == "QUIT":
            return
        assert line == "MAIL FROM:<ada@a.example> SIZE=8"
        await peer.hear("RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        assert await peer.message() == b"seven\r\n.\r\n"
        await peer.say("250 2.0.0 taken")

    asked = []

    async def convert() -> Parcel | Reply | None:
        asked.append(1)
        return converted

    servers = Servers()
    for host in (MX1, MX2):
        await servers.add(host, takes_seven)
    async with courier_for(servers) as courier, asyncio.timeout(60):
        parcel = Parcel("id", len(EIGHT), True, lambda: (EIGHT,), convert)
        outgoing = Outgoing("ada@a.example", (("bob@b.example", ""),), len(EIGHT), True)
        attempt = await courier.deliver("b.example", outgoing, parcel)
        assert ([reply.code for reply in attempt.replies], len(asked)) == ([code], 1)
        assert attempt.reached


async def test_a_kept_session_that_defers_leads_to_the_other_servers_and_not_to_its_own_again() -> None:
    async def once(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("451 4.3.0 disk full", "503 no", "503 no")
        await peer.hear("RSET")
        await peer.say("250 ok")
        await peer.reader.read(100)

    servers = Servers()
    await servers.add(MX1, once)
    await servers.add(MX2, accept)
    async with courier_for(servers) as courier:
        assert (await send(courier)).results[0].host_name == MX1
        assert (await send(courier)).results[0].host_name == MX2
        assert servers.connections == 2


async def test_all_recipients_refused_and_data_wanted_ends_with_a_dot_and_goes_on() -> None:
    async def wants_data(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "550 5.1.1 who", "354 go")
        assert await peer.line() == "."
        await peer.say("554 5.5.1 nobody")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")

    servers = Servers()
    await servers.add(MX1, wants_data)
    async with courier_for(servers) as courier:
        assert [str((await send(courier)).replies[0]) for _ in range(2)] == [
            "550 5.1.1 who",
            "250 2.0.0 taken",
        ]


async def test_an_address_that_no_command_can_hold_is_no_harm_to_the_others() -> None:
    servers = Servers()
    await servers.add(MX1, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier, "x y@b.example", "bob@b.example")
        assert [reply.code for reply in attempt.replies] == [553, 250]
        assert [result.said is None for result in attempt.results] == [True, False]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven exchanges, the first of them with seven addresses."""
    hosts = [f"h{number}.b.example" for number in range(7)]
    monkeypatch.setitem(
        scripted.ZONE,
        Query("b.example", RecordType.MX),
        Answer(LookupStatus.FOUND, tuple(Mx(number, host) for number, host in enumerate(hosts))),
    )
    for host in hosts:
        monkeypatch.setitem(
            scripted.ZONE, Query(host, RecordType.A), Answer(LookupStatus.FOUND, ("127.0.0.1",))
        )
    several = Answer(LookupStatus.FOUND, tuple(f"127.0.0.{number}" for number in range(1, 8)))
    monkeypatch.setitem(scripted.ZONE, Query(hosts[0], RecordType.A), several)


async def test_no_more_than_five_servers_are_tried_and_other_hosts_before_other_addresses(many: None) -> None:
    servers = Servers()
    for number in range(7):
        await servers.add(f"h{number}.b.example", *[refusing("RCPT", f"451 4.7.1 from {number}")] * 7)
    async with courier_for(servers) as courier:
        (result,) = (await send(courier)).results
        assert (str(result.said), servers.connections) == ("451 4.7.1 from 4", 5)


async def test_dead_addresses_of_one_host_do_not_hide_the_next_host(many: None) -> None:
    servers = Servers()
    await servers.add("h1.b.example", accept)
    async with courier_for(servers) as courier:
        assert (await send(courier)).results[0].host_name == "h1.b.example"


async def test_a_turn_ends_when_its_time_is_over() -> None:
    """Servers that take their time one after another do not add up without an end."""

    async def slow(peer: Peer) -> None:
        await peer.say("220 mx")
        await peer.hear("EHLO")
        await peer.say("451 4.3.0 not now")

    servers = Servers()
    await servers.add(MX1, slow)
    await servers.add(MX2, accept)
    async with courier_for(servers) as courier:
        courier._turn_seconds = 0.0
        result: Result = (await send(courier)).results[0]
        assert (str(result.said), servers.connections) == ("451 4.3.0 not now", 1)
