"""DNS answers remembered: for how long, how many, and what is not kept."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rrset
import pytest
from postroom.policy.lookups import Answer, LookupStatus, Query, RecordType
from postroom.runtime.dns_cache import LONGEST, MOST, DnsCache, lifetime
from postroom.runtime.resolver import Resolver

QUESTION = Query("example.org", RecordType.TXT)
FOUND = Answer(LookupStatus.FOUND, (b"v=spf1 -all",))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_good_until_its_time_is_over() -> None:
    clock = Clock()
    answers = DnsCache(clock)
    assert answers.get(QUESTION) is None
    answers.keep(QUESTION, FOUND, 30)
    clock.now += 29
    assert answers.get(QUESTION) == FOUND
    clock.now += 1
    assert answers.get(QUESTION) is None


def test_no_answer_is_kept_for_longer_than_a_minute() -> None:
    clock = Clock()
    answers = DnsCache(clock)
    answers.keep(QUESTION, FOUND, 86_400)
    clock.now += LONGEST
    assert answers.get(QUESTION) is None


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [(FOUND, 0), (Answer(LookupStatus.TEMPORARY), 60), (Answer(LookupStatus.FOUND, (b"x" * 5000,)), 60)],
)
def test_what_is_not_kept(answer: Answer, seconds: float) -> None:
    answers = DnsCache(Clock())
    answers.keep(QUESTION, answer, seconds)
    assert answers.get(QUESTION) is None


def test_the_oldest_go_when_there_are_too_many() -> None:
    answers = DnsCache(Clock())
    for number in range(MOST + 1):
        answers.keep(Query(f"{number}.example", RecordType.A), FOUND, 60)
    assert answers.get(Query("0.example", RecordType.A)) is None
    assert answers.get(Query(f"{MOST}.example", RecordType.A)) == FOUND


def reply(*, answer: str = "", authority: str = "", ttl: int = 300) -> dns.message.Message:
    message = dns.message.make_response(dns.message.make_query("example.org", "TXT"))
    if answer:
        message.answer.append(dns.rrset.from_text("example.org.", ttl, "IN", "TXT", answer))
    if authority:
        message.authority.append(dns.rrset.from_text("org.", ttl, "IN", "SOA", authority))
    return message


def test_the_shortest_time_counts() -> None:
    message = reply(answer='"x"', ttl=300)
    message.answer.append(dns.rrset.from_text("example.net.", 20, "IN", "CNAME", "example.org."))
    assert lifetime(message, found=True) == 20


def test_negative_answers_live_as_their_soa_says() -> None:
    assert lifetime(reply(authority="a. b. 1 2 3 4 45", ttl=300), found=False) == 45
    assert lifetime(reply(authority="a. b. 1 2 3 4 600", ttl=300), found=False) == 300
    assert lifetime(reply(), found=False) == 0


class Server:
    """A name server that counts the questions."""

    def __init__(self, ttl: int) -> None:
        self.asked = 0
        self._ttl = ttl
        self._endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._endpoint.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._endpoint.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            octets, client = self._endpoint.recvfrom(4096)
            if not octets:
                return
            self.asked += 1
            query = dns.message.from_wire(octets)
            answer = dns.message.make_response(query)
            answer.answer.append(
                dns.rrset.from_text(query.question[0].name, self._ttl, "IN", "TXT", '"hello"')
            )
            self._endpoint.sendto(answer.to_wire(), client)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._endpoint.getsockname())
        self._thread.join(5)
        self._endpoint.close()


@pytest.fixture(params=[60, 0])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    server.close()


def test_the_resolver_asks_once_while_the_answer_is_good(server: Server) -> None:
    async def twice() -> list[Answer]:
        resolver = Resolver(server.address)
        return [await resolver.lookup(QUESTION) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == second == Answer(LookupStatus.FOUND, (b"hello",))
    assert server.asked == (1 if server._ttl else 2)
