"""Killing any agent of two companies at random moments while mail is sent, and counting what arrives."""

import os
import random
import re
import signal
import smtplib
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from postroom.contracts.queueadmin import Selection
from postroom.queue.sqlite import admin

from .agents import AGENTS
from .clients import domain_of, imap, smtp, wait_for
from .conftest import Sandbox

DOMAINS = ("alpha.example", "beta.example")
PEOPLE = tuple(f"{name}@{domain}" for domain in DOMAINS for name in ("ada", "bob"))
OUTSIDE = "someone@outside.example"
ARGUMENTS = (
    *(part for address in PEOPLE for part in ("--user", f"{address}:secret of {address}")),
    "--set", "*.drain_seconds=3", "--set", "relay.retry_minimum=0.5", "--set", "relay.retry_maximum=1.5",
    "--set", "msa.messages_per_day=1000000", "--set", "msa.recipients_per_day=1000000",
    "--set", 'msa.trusted_clients=["127.0.0.0/8"]', "--set", 'mta.trusted_clients=["127.0.0.0/8"]',
)  # fmt: skip
MAIL = "From: {sender}\r\nTo: {reader}\r\nSubject: killed\r\nX-Ledger: {number}\r\n\r\n{text}"
TROUBLE = (OSError, smtplib.SMTPException, ssl.SSLError)


@dataclass
class Ledger:
    """What was sent, and what of it was acknowledged."""

    readers: dict[int, tuple[str, str]] = field(default_factory=dict)  # number: sender, reader
    acknowledged: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, sender: str, reader: str) -> int:
        """A number for a message that is about to be sent."""
        with self.lock:
            number = len(self.readers) + 1
            self.readers[number] = sender, reader
            return number


class Load:
    """People of both companies and strangers who send until it is enough."""

    def __init__(self, site: Sandbox, ledger: Ledger, seed: int) -> None:
        self.site, self.ledger = site, ledger
        self.stop = threading.Event()
        self.faults: list[BaseException] = []
        senders = (*PEOPLE, OUTSIDE)
        self.threads = [
            threading.Thread(target=self._work, args=(sender, random.Random(f"{seed} {sender}")))
            for sender in senders
        ]

    def _work(self, sender: str, chance: random.Random) -> None:
        while not self.stop.is_set():
            try:
                self._session(sender, chance)
            except TROUBLE:
                self.stop.wait(0.02)  # the agent is being started again
            except BaseException as fault:
                self.faults.append(fault)
                raise

    def _session(self, sender: str, chance: random.Random) -> None:
        domain = chance.choice(DOMAINS) if sender == OUTSIDE else domain_of(sender)
        service = "smtp" if sender == OUTSIDE else "submissions"
        with smtp(self.site, domain, service) as client:
            if sender != OUTSIDE:
                client.login(sender, self.site.password(sender))
            for _ in range(chance.randrange(1, 8)):
                if self.stop.is_set():
                    break
                near = [reader for reader in PEOPLE if domain_of(reader) == domain]
                reader = chance.choice(near if sender == OUTSIDE else PEOPLE)
                number = self.ledger.open(sender, reader)
                text = "A line of it.\r\n" * chance.choice((3, 300, 8000))
                octets = MAIL.format(sender=sender, reader=reader, number=number, text=text)
                client.sendmail(sender, reader, octets)
                self.ledger.acknowledged.add(number)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)
        assert self.faults == []


def kill(site: Sandbox, domain: str, agent: str) -> None:
    """kill -9 of all of its processes, and wait for its successor."""
    before, *workers = site.pids(domain, agent)
    for pid in (before, *workers):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: _pid(site, domain, agent) not in (0, before))


def _pid(site: Sandbox, domain: str, agent: str) -> int:
    try:
        return site.pid(domain, agent)
    except ValueError:  # the file is being written
        return 0


def queued(site: Sandbox, domain: str) -> int:
    """Recipients that wait in the domain's spools."""
    spools = admin.spool_files(str(site.folder(domain) / "var" / "spool"))
    return sum(len(entry.recipients) for entry in admin.entries(spools, Selection()))


def arrived(site: Sandbox, address: str) -> Counter[int]:
    """How often each number of the ledger is in the person's mailbox."""
    with imap(site, address) as client:
        client.select("INBOX", readonly=True)
        _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (X-LEDGER)])")
        heads = b"".join(part[1] for part in data if isinstance(part, tuple))
    return Counter(int(number) for number in re.findall(rb"(?i)x-ledger: (\d+)", heads))


def kill_and_count(site: Sandbox, kills: int, pause: float, seed: int = 1) -> dict[str, int]:
    """Every acknowledged message arrives, and none comes twice.

    `pause` is the longest time between kills, in seconds. Returns figures.
    """
    chance, ledger = random.Random(seed), Ledger()
    killed: Counter[str] = Counter()
    with Load(site, ledger, seed):
        for _ in range(kills):
            time.sleep(chance.random() * pause)  # the random moment; nothing is waited for
            agent = chance.choice(AGENTS)
            kill(site, chance.choice(DOMAINS), agent)
            killed[agent] += 1
        enough = len(ledger.acknowledged) + 5
        wait_for(lambda: len(ledger.acknowledged) >= enough, 60)
    for domain in DOMAINS:
        wait_for(lambda domain=domain: queued(site, domain) == 0, 120)  # type: ignore[misc]
    judge(site, ledger)
    for domain in DOMAINS:
        for agent in AGENTS:
            assert "Traceback" not in site.log(domain, agent)
    return {"messages": len(ledger.acknowledged), "kills": kills, **killed}


def judge(site: Sandbox, ledger: Ledger) -> None:
    """Compare mailboxes and ledger. Each number was sent once: what was not acknowledged comes once or not at all."""
    there: Counter[int] = Counter()
    for address in PEOPLE:
        counts = arrived(site, address)
        assert all(ledger.readers[number][1] == address for number in counts)
        there += counts
    lost = ledger.acknowledged - set(there)
    assert lost == set(), f"{len(lost)} of {len(ledger.acknowledged)} acknowledged messages are lost"
    repeated = {number: ledger.readers[number] for number, count in there.items() if count > 1}
    assert repeated == {}
