"""R5: a full disk refuses for a while with the right words, deletion works, and room is enough to go on."""

import imaplib
import json
import os
import signal
import smtplib
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..agents import AGENTS
from ..clients import imap, message, pop3, read, received, smtp, submit, wait_for
from ..conftest import POSTROOM, Sandbox

DOMAIN, ADA, BOB, OUTSIDE = (
    "alpha.example",
    "ada@alpha.example",
    "bob@alpha.example",
    "someone@outside.example",
)
SIZE = "48m"
RECOVERY = 30.0  # seconds after which all works again; five where the machine has nothing else to do
LITTLE = 200_000  # octets: for flags, not for a message
LARGE = "A line of text that needs room on the disk, and more of it.\n" * 5000


class Narrow(Sandbox):
    """A sandbox on a small file system of its own, in its own mount namespace."""

    def folder(self, domain: str) -> Path:
        return Path(f"/proc/{self.process.pid}/root{super().folder(domain)}")

    @property
    def ballast(self) -> Path:
        """A file that takes all the room there is."""
        return self.folder(DOMAIN).parent / "ballast"

    def fill(self) -> None:
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def leave(self, octets: int) -> None:
        """Room for that much, which is too little for a large message."""
        os.truncate(self.ballast, self.ballast.stat().st_size - octets)

    def give_room(self) -> None:
        self.ballast.unlink(missing_ok=True)


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrow]:
    place = Path(f"/tmp/full-{os.getpid()}")
    place.mkdir(exist_ok=True)
    users = [part for address in (ADA, BOB) for part in ("--user", f"{address}:secret of {address[:3]}")]
    retries = ["--set", "relay.retry_minimum=1", "--set", "relay.retry_maximum=2"]
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2"; place="$2"; shift 2; exec "$@" --dir "$place"'
    command = [
        "unshare",
        "--mount",
        *([] if os.geteuid() == 0 else ["--map-root-user"]),
        "sh",
        "-c",
        script,
        "sh",
    ]
    process = subprocess.Popen(
        [*command, SIZE, str(place), str(POSTROOM), "sandbox", "--json", *users, *retries],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    made = Narrow(process, json.loads(process.stdout.readline()))
    made.ca = f"/proc/{process.pid}/root{made.ca}"
    yield made
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    place.rmdir()


def refusal(site: Narrow, send: str) -> tuple[int, bytes]:
    """How a large message is refused."""
    with smtp(site, DOMAIN, "smtp" if send == OUTSIDE else "submissions") as client:
        if send != OUTSIDE:
            client.login(send, site.password(send))
        try:
            client.sendmail(send, [BOB], message(send, BOB, subject="refused", text=LARGE))
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[BOB]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, error.smtp_error  # type: ignore[return-value]
    return 250, b""


def test_a_full_disk(site: Narrow) -> None:
    for number in range(3):
        submit(site, ADA, BOB, subject="", octets=message(ADA, BOB, subject=f"before {number}", text=LARGE))
        received(site, BOB, f"before {number}")
    for _ in range(2):  # twice: recovery must be whole
        go_through_a_full_disk(site)


def go_through_a_full_disk(site: Narrow) -> None:
    pids = {agent: site.pid(DOMAIN, agent) for agent in AGENTS}
    site.fill()
    assert refusal(site, OUTSIDE)[0] == 452
    assert refusal(site, ADA)[0] == 452
    with imap(site, BOB) as client:
        assert client.select("INBOX", readonly=True)[0] == "OK"  # reading goes on
        assert client.fetch("1", "(BODY.PEEK[])")[0] == "OK"
        refused_by_imap(client)
    site.leave(LITTLE)
    assert refusal(site, OUTSIDE)[0] == 452
    with imap(site, BOB) as client:
        assert client.select("INBOX")[0] == "OK"
        refused_by_imap(client)
        before = client.search(None, "ALL")[1][0].split()
        assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
        assert client.expunge()[0] == "OK"
        assert len(client.search(None, "ALL")[1][0].split()) == len(before) - 1
    site.fill()
    site.give_room()
    begun = time.monotonic()
    subject = str(uuid.uuid4())
    wait_for(lambda: _goes(site, subject), RECOVERY)
    received(site, BOB, subject, seconds=RECOVERY)
    assert time.monotonic() - begun < 2 * RECOVERY
    pop3(site, BOB).quit()
    assert read(site, BOB, "refused") == []
    assert pids == {agent: site.pid(DOMAIN, agent) for agent in AGENTS}
    assert all("Traceback" not in site.log(DOMAIN, agent) for agent in AGENTS)


def refused_by_imap(client: imaplib.IMAP4) -> None:
    status, words = client.append("INBOX", "", "", message(ADA, BOB, subject="refused", text=LARGE))
    assert status == "NO"
    assert b"[UNAVAILABLE]" in words[0] or b"[OVERQUOTA]" in words[0]


def _goes(site: Narrow, subject: str) -> bool:
    try:
        submit(site, ADA, BOB, subject=subject)
    except smtplib.SMTPException:
        return False
    return True


def test_what_was_acknowledged_before_the_disk_filled_arrives(site: Narrow) -> None:
    """Messages in the queue while there is no room for their delivery wait, and come once."""
    mda = site.pids(DOMAIN, "mda")
    for pid in mda:
        os.kill(pid, signal.SIGSTOP)
    subjects = [str(uuid.uuid4()) for _ in range(4)]
    for subject in subjects:
        submit(site, ADA, BOB, subject="", octets=message(ADA, BOB, subject=subject, text=LARGE))
    site.fill()
    for pid in mda:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: "4." in site.log(DOMAIN, "relay"))
    site.give_room()
    for subject in subjects:
        received(site, BOB, subject)
    subject = str(uuid.uuid4())
    submit(site, ADA, BOB, subject=subject)
    received(site, BOB, subject)
    assert [len(read(site, BOB, subject)) for subject in subjects] == [1] * len(subjects)
    assert read(site, ADA, "not delivered") == []
