"""X14: whether a login exists is told neither by words nor by time, at any door that takes passwords."""

import base64
import random
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from postroom.auth.hashing import Hasher
from postroom.cli.sandbox.domains import ARGON2

from ..amounts import SOAK, amount
from ..conftest import Sandbox
from ..mann_whitney import likelihood
from ..raw import connect, say

DOMAIN = "alpha.example"
KNOWN, UNKNOWN, ELSEWHERE = "ada@alpha.example", "nob@alpha.example", "ada@nowhere.example"
TRIES = amount(30, 2000)  # per name
RENEWED = 10.0  # seconds for which a connection is used
HASHES = 50  # timed beside them
GAP = 0.05  # between medians
LIKELY = 0.01  # that both come from one source
ENDLESS = 1_000_000_000


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    arguments = ["--user", f"{KNOWN}:secret of ada"]
    for field, value in (
        ("failure_delay", 0), ("failure_delay_maximum", 0), ("failures_per_account", ENDLESS),
        ("failures_per_client", ENDLESS),
    ):  # fmt: skip
        arguments += ["--set", f"auth.{field}={value}"]
    for agent in ("msa", "imap", "pop3"):
        arguments += ["--set", f"{agent}.max_errors={ENDLESS}"]
    return start_sandbox(*arguments, "--set", f"msa.max_commands={ENDLESS}")


def plain(name: str) -> bytes:
    return base64.b64encode(f"\0{name}\0wrong password".encode())


def smtp_plain(name: str) -> tuple[bytes, ...]:
    return (b"AUTH PLAIN " + plain(name),)


def smtp_login(name: str) -> tuple[bytes, ...]:
    return b"AUTH LOGIN", base64.b64encode(name.encode()), base64.b64encode(b"wrong password")


def imap_login(name: str) -> tuple[bytes, ...]:
    return (f'a LOGIN {name} "wrong password"'.encode(),)


def imap_plain(name: str) -> tuple[bytes, ...]:
    return (b"a AUTHENTICATE PLAIN " + plain(name),)


def pop3_user(name: str) -> tuple[bytes, ...]:
    return f"USER {name}".encode(), b"PASS wrong password"


def pop3_plain(name: str) -> tuple[bytes, ...]:
    return (b"AUTH PLAIN " + plain(name),)


DOORS = [
    ("submissions", smtp_plain), ("submissions", smtp_login), ("imaps", imap_login), ("imaps", imap_plain),
    ("pop3s", pop3_user), ("pop3s", pop3_plain),
]  # fmt: skip


class Door:
    """A way to log in; connections are renewed before the server finds that a login takes too long."""

    def __init__(self, site: Sandbox, service: str, lines: Callable[[str], tuple[bytes, ...]]) -> None:
        self.site, self.service, self.lines = site, service, lines
        self.open()

    def open(self) -> None:
        self.connection = connect(self.site, DOMAIN, self.service)
        self.opened = time.monotonic()
        if self.service == "submissions":
            say(self.connection, b"EHLO client.example")

    def ask(self, name: str) -> tuple[list[bytes], float]:
        if time.monotonic() - self.opened > RENEWED:
            self.connection.close()
            self.open()
        begun = time.perf_counter()
        heard = [say(self.connection, one) for one in self.lines(name)]
        return heard, time.perf_counter() - begun


@pytest.fixture(params=DOORS, ids=lambda door: f"{door[0]}-{door[1].__name__}")
def door(site: Sandbox, request: pytest.FixtureRequest) -> Iterator[Door]:
    made = Door(site, *request.param)
    yield made
    made.connection.close()


NAMES = (KNOWN, UNKNOWN, ELSEWHERE)


class Samples:
    """What was said to each name and how long that took; by turns in any order, so that all meet the same machine."""

    def __init__(self, door: Door, tries: int) -> None:
        hasher = Hasher(*ARGON2.values())
        self.words: set[tuple[bytes, ...]] = set()
        self.times: dict[str, list[float]] = {name: [] for name in NAMES}
        self.hashing: list[float] = []
        for number in range(tries):
            for name in random.sample(NAMES, len(NAMES)):
                heard, seconds = door.ask(name)
                self.words.add(tuple(heard))
                self.times[name].append(seconds)
            if number < HASHES:
                begun = time.perf_counter()
                hasher.matches("wrong password", hasher.dummy)
                self.hashing.append(time.perf_counter() - begun)

    def best(self) -> dict[str, float]:
        """The quickest of each: what it costs when the machine has nothing else to do."""
        return {name: min(taken) for name, taken in self.times.items()}

    def tell(self) -> str:
        """What sets the names apart; "" when nothing does."""
        medians = {name: statistics.median(taken) for name, taken in self.times.items()}
        gap = max(medians.values()) / min(medians.values()) - 1
        chances = {name: likelihood(self.times[KNOWN], self.times[name]) for name in (UNKNOWN, ELSEWHERE)}
        said = f"medians {medians}, gap {gap:.2%}, likelihoods {chances}"
        print(said)
        return "" if gap < GAP and min(chances.values()) > LIKELY else said


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_neither_words_nor_time_tell_who_exists(door: Door) -> None:
    """In every run: the same words, and a password is hashed for nobody too. In `make soak` the statistics as well.

    One in a hundred fair measurements looks unfair: what is there shows in a second one.
    """
    door.ask(KNOWN)
    seen = Samples(door, TRIES)
    assert len(seen.words) == 1, seen.words
    best = seen.best()
    assert min(best.values()) > min(seen.hashing) / 2, (best, min(seen.hashing))
    assert max(best.values()) < 2 * min(best.values()), best
    if SOAK:
        assert not seen.tell() or not (said := Samples(door, TRIES).tell()), said


def test_asking_for_names_says_the_same_of_everybody(site: Sandbox) -> None:
    for service in ("smtp", "submissions"):
        with connect(site, DOMAIN, service) as connection:
            say(connection, b"EHLO client.example")
            for verb, code in ((b"VRFY ", b"252"), (b"EXPN ", b"502")):
                heard = {say(connection, verb + name.encode()) for name in (KNOWN, UNKNOWN, "ada", "root")}
                assert len(heard) == 1
                assert heard.pop()[:3] == code


def test_a_name_alone_tells_nothing(site: Sandbox) -> None:
    """USER is answered alike for all, and RCPT of the submission port needs a login first."""
    with connect(site, DOMAIN, "pop3s") as connection:
        assert len({say(connection, b"USER " + name.encode()) for name in (KNOWN, UNKNOWN)}) == 1
    with connect(site, DOMAIN, "submissions") as connection:
        say(connection, b"EHLO client.example")
        for name in (KNOWN, UNKNOWN):
            assert say(connection, b"MAIL FROM:<" + name.encode() + b">").startswith(b"530 ")
            assert say(connection, b"RCPT TO:<" + name.encode() + b">")[:3] in (b"530", b"503")
