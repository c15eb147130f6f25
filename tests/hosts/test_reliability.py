"""No acknowledged message is lost, whatever dies: agents by kill -9, a host by reboot."""

import collections
import contextlib
import imaplib
import os
import smtplib
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ..clients import imap, message, read, received, smtp, submit, wait_for
from .site import HostsSite

ADA, MARY = "ada@alpha.example", "mary@alpha.example"
KATHERINE = "katherine@beta.example"
MESSAGES = 500 * int(os.environ.get("SOAK") or 1)
SENDERS = 4
KILLED = [
    ("mail.alpha.example", ("msa", "relay", "mda", "auth", "imap", "pop3")),
    ("mail.beta.example", ("mta", "relay", "mda", "auth", "imap", "pop3")),
]
STARTED = "cut -d ' ' -f 22 /proc/1/stat"  # when the first process began: the boot id is the machine's
Reach = Callable[[str], Any]
testinfra_hosts = ["ansible://mail.alpha.example"]


@pytest.fixture(scope="module")
def site() -> HostsSite:
    """The hosts by IPv4."""
    return HostsSite()


def send(site: HostsSite, number: int, token: str) -> tuple[int, int]:
    """Send one message until it is acknowledged; its number and how often a try ended without a reply."""
    recipient = MARY if number % 2 else KATHERINE
    subject = f"{token}-{number:06d}"
    unanswered = 0
    while True:
        try:
            with smtp(site, "alpha.example", "submissions") as client:
                client.login(ADA, site.password(ADA))
                client.sendmail(ADA, [recipient], message(ADA, recipient, subject=subject))
                return number, unanswered
        except (OSError, smtplib.SMTPException):
            unanswered += 1
            assert unanswered < 100


def arrived(site: HostsSite, address: str, token: str) -> collections.Counter[int]:
    """How often each number is in the INBOX."""
    try:
        with imap(site, address) as client:
            client.select("INBOX", readonly=True)
            _, numbers = client.search(None, "SUBJECT", f'"{token}"')
            if not numbers[0]:
                return collections.Counter()
            _, data = client.fetch(
                numbers[0].replace(b" ", b",").decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
            )
    except (OSError, imaplib.IMAP4.error):
        return collections.Counter()
    return collections.Counter(
        int(item[1].decode().strip().rpartition("-")[2]) for item in data if isinstance(item, tuple)
    )


def test_every_agent_is_killed_amid_the_mail(site: HostsSite, reach: Reach) -> None:
    token = f"kill-{uuid.uuid4().hex[:12]}"
    over = threading.Event()

    def kill() -> None:
        while not over.is_set():
            for host, agents in KILLED:
                for agent in agents:
                    if over.wait(0.5):
                        return
                    reach(host).run(f"systemctl kill --signal=KILL postroom-{agent}.service")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            sent = dict(pool.map(lambda number: send(site, number, token), range(MESSAGES)))
    finally:
        over.set()
        killer.join()
    for host, _ in KILLED:
        reach(host).run("systemctl reset-failed 'postroom-*'; postroom queue retry --all")
    local = {number for number in sent if number % 2}
    abroad = set(sent) - local
    here = wait_for(lambda: (found := arrived(site, MARY, token)).keys() >= local and found, 120)
    there = wait_for(lambda: (found := arrived(site, KATHERINE, token)).keys() >= abroad and found, 240)
    for number, count in (here | there).items():
        # a client's try has no server's stamp yet: one that was not answered may come besides the next one
        assert count <= 1 + sent[number], (
            f"{number} came {count} times, {sent[number]} tries were not answered"
        )


def test_mail_in_the_queue_survives_a_reboot(site: HostsSite, reach: Reach) -> None:
    token = f"reboot {uuid.uuid4()}"
    alpha, beta = reach("mail.alpha.example"), reach("mail.beta.example")
    beta.check_output("systemctl stop postroom-mta-smtp.socket postroom-mta.service")
    try:
        submit(site, ADA, KATHERINE, subject=token)
        wait_for(lambda: KATHERINE in alpha.check_output("postroom queue list --json"))
        boot = alpha.check_output(STARTED)
        with contextlib.suppress(Exception):
            alpha.run("systemctl reboot")
        wait_for(lambda: rebooted(alpha, boot), 90)
        assert KATHERINE in alpha.check_output("postroom queue list --json")
    finally:
        beta.check_output("systemctl start postroom-mta-smtp.socket")
    wait_for(lambda: alpha.run("systemctl is-active postroom-relay.service").stdout.strip() == "active", 60)
    alpha.check_output("postroom queue retry --all")
    assert received(site, KATHERINE, token, seconds=60)
    assert len(read(site, KATHERINE, token)) == 1


def rebooted(host: Any, before: str) -> bool:
    """Whether the host is up again with another first process."""
    try:
        done = host.run(STARTED)
    except Exception:
        return False
    return done.rc == 0 and done.stdout.strip() != before.strip()
