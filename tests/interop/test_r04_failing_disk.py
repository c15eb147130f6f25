"""R3 and R4: nothing is acknowledged that is not on disk. The kernel's answers are changed under running agents."""

import re
import signal
import smtplib
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..amounts import amount
from ..clients import imap, message, read, received, smtp, submit, wait_for
from ..conftest import Sandbox
from ..raw import line, say

DOMAIN, ADA, BOB, OUTSIDE = (
    "alpha.example",
    "ada@alpha.example",
    "bob@alpha.example",
    "someone@outside.example",
)
SYNCING = "fsync,fdatasync"
CALLS = amount(4, 40)  # the failure hits the first, the second ... call


@pytest.fixture
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    people = [part for address in (ADA, BOB) for part in ("--user", f"{address}:secret of {address[:3]}")]
    single = [
        part for agent in WAYS for part in ("--set", f"{agent}.workers=1")
    ]  # strace follows one process
    return start_sandbox(*people, *single, "--set", "relay.retry_minimum=1", "--set", "relay.retry_maximum=2")


@contextmanager
def traced(pid: int, *arguments: str, output: Path) -> Iterator[None]:
    """A process under strace, from when it is attached until it is let go."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), "-s", "64", "-o", str(output), *arguments], stderr=subprocess.PIPE
    )
    assert tracer.stderr is not None
    assert b"attached" in tracer.stderr.readline()
    try:
        yield
    finally:
        if _runs(pid):
            tracer.send_signal(signal.SIGINT)
        try:
            tracer.wait(3)
        except subprocess.TimeoutExpired:  # it waits for a thread that is gone with its process
            tracer.kill()
            tracer.wait(10)
        tracer.stderr.close()


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def by_mta(site: Sandbox, subject: str) -> str:
    with smtp(site, DOMAIN) as client:
        client.sendmail(OUTSIDE, [BOB], message(OUTSIDE, BOB, subject=subject, text="x\n" * 100_000))
    return "250"


def by_msa(site: Sandbox, subject: str) -> str:
    submit(site, ADA, BOB, subject=subject)
    return "250"


def by_mda(site: Sandbox, subject: str) -> str:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(site.domains[DOMAIN]["lmtp"])
        line(peer)
        words = (b"LHLO a.example", f"XFORWARD IDENT={uuid.uuid4().hex}".encode(), b"MAIL FROM:<>")
        say(peer, *words, b"RCPT TO:<%s>" % BOB.encode(), b"DATA")
        return say(peer, message(OUTSIDE, BOB, subject=subject) + b".").decode()[:3]


def by_imap(site: Sandbox, subject: str) -> str:
    with imap(site, BOB) as client:
        status, _ = client.append("INBOX", "", "", message(BOB, BOB, subject=subject))
        return "250" if status == "OK" else "451"


WAYS = {"mta": by_mta, "msa": by_msa, "mda": by_mda, "imap": by_imap}


def outcome(site: Sandbox, agent: str, subject: str) -> str:
    """The code with which the message was answered, or "" when the agent went away instead."""
    try:
        return WAYS[agent](site, subject)
    except smtplib.SMTPResponseException as error:
        return str(error.smtp_code)
    except (smtplib.SMTPException, OSError):
        return ""
    except Exception as error:  # imaplib has its own
        assert "BYE" in str(error) or "abort" in type(error).__name__ or "EOF" in str(error), error
        return ""


@pytest.mark.soak
@pytest.mark.parametrize("agent", WAYS)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_without_a_sync_nothing_is_acknowledged(
    site: Sandbox, tmp_path: Path, agent: str, error: str
) -> None:
    wait_for(lambda: outcome(site, agent, "warm") == "250")
    with traced(site.pid(DOMAIN, agent), "-e", f"inject={SYNCING}:error={error}", output=tmp_path / "trace"):
        assert outcome(site, agent, "refused")[:1] in ("", "4")
    assert "INJECTED" in (tmp_path / "trace").read_text()
    subject = str(uuid.uuid4())
    wait_for(lambda: outcome(site, agent, subject) == "250")  # it goes on, after a new start if need be
    wait_for(lambda: read(site, BOB, subject))
    assert "Traceback" not in site.log(DOMAIN, agent)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("agent", WAYS)
@pytest.mark.parametrize("call", [SYNCING, "rename,renameat,renameat2,link,linkat", "pwrite64"])
def test_one_failing_call_loses_nothing(site: Sandbox, tmp_path: Path, agent: str, call: str) -> None:
    """The failure hits one call at a time; what was answered 250 all the same has to be there, whole."""
    acknowledged, hits = [], 0
    for number in range(1, CALLS + 1):
        subject = str(uuid.uuid4())
        wait_for(lambda: outcome(site, agent, "warm") == "250")
        error = "EIO" if number % 4 == 1 else "ENOSPC"  # an agent that dies too often ends the sandbox
        with traced(
            site.pid(DOMAIN, agent), "-e", f"inject={call}:error={error}:when={number}", output=tmp_path / "trace",
        ):  # fmt: skip
            if outcome(site, agent, subject) == "250":
                acknowledged.append(subject)
        hits += "INJECTED" in (tmp_path / "trace").read_text()
    assert hits or call.startswith("rename")  # not every agent renames
    for subject in acknowledged:
        received(site, BOB, subject)
    assert "Traceback" not in site.log(DOMAIN, agent)


@pytest.mark.parametrize("agent", ["mta", "mda"])
def test_replies_come_behind_the_sync(site: Sandbox, tmp_path: Path, agent: str) -> None:
    """R3: between the end of the text and its reply lies a sync of file and, for a new name, of its folder."""
    trace = tmp_path / "trace"
    wait_for(lambda: outcome(site, agent, "warm") == "250")
    calls = f"trace={SYNCING},write,writev,sendto,sendmsg,openat,rename,link,linkat,renameat2"
    with traced(site.pid(DOMAIN, agent), "-y", "-e", calls, output=trace):
        assert outcome(site, agent, "traced") == "250"
    lines = trace.read_text().splitlines()
    said = [
        number
        for number, text in enumerate(lines)
        if re.search(r'(write|writev|send\w+)\(.*"(354|250) ', text)
    ]
    asked = next(number for number in said if '"354 ' in lines[number])
    reply = next(number for number in said if number > asked)
    between = [
        text
        for text in lines[asked:reply]
        if re.search(r"f(data)?sync\(.*= 0|f(data)?sync resumed.*= 0", text)
    ]
    assert between, "\n".join(lines)
