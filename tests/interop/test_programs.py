"""Programs that people use, as they come from Debian, against running agents: they send, they read, they look closely."""

import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ..agents import AGENTS
from ..clients import imap, message, received, submit, wait_for
from ..conftest import Sandbox

ADA, EVE = "ada@alpha.example", "eve@beta.example"
ALPHA, BETA = "alpha.example", "beta.example"
SECONDS = 60
TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools"


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return start_sandbox("--user", f"{ADA}:secret of ada", "--user", f"{EVE}:secret of eve")


@pytest.fixture
def subject() -> str:
    """Words that no other message has."""
    return f"message {uuid.uuid4()}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home for programs that keep files there."""
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


def run(home: Path, *command: str, said: str | bytes = b"", good: tuple[int, ...] = (0,)) -> str:
    """What a program says on both its outputs."""
    program = shutil.which(command[0])
    assert program, f"{command[0]} is not installed: tools/install_test_tools.sh does so"
    done = subprocess.run(
        [program, *command[1:]],
        input=said.encode() if isinstance(said, str) else said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        env={**os.environ, "HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"},
    )
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode in good, text
    return text


def private(path: Path, text: str) -> str:
    """A settings file of the kind that programs want to be nobody else's."""
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def address(site: Sandbox, domain: str, service: str) -> tuple[str, str]:
    """Name and port: programs compare the name with the certificate."""
    return "localhost", str(site.port(domain, service)[1])


@pytest.mark.parametrize("login", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_swaks_sends(site: Sandbox, home: Path, subject: str, service: str, login: str) -> None:
    host, port = address(site, ALPHA, service)
    said = run(
        home, "swaks", "--server", host, "--port", port, "--tls" if service == "submission" else "--tls-on-connect",
        "--tls-verify", "--tls-ca-path", site.ca, "--auth", login, "--auth-user", ADA, "--auth-password", "secret of ada",
        "--from", ADA, "--to", EVE, "--header", f"Subject: {subject}", "--body", "it works",
    )  # fmt: skip
    assert "TLSv1.3" in said
    assert received(site, EVE, subject).rstrip().endswith(b"it works")


def test_swaks_is_told_what_is_wrong(site: Sandbox, home: Path) -> None:
    host, port = address(site, ALPHA, "submissions")
    login = ("--auth", "PLAIN", "--auth-user", ADA, "--auth-password")
    common = ("swaks", "--server", host, "--port", port, "--tls-on-connect", "--to", EVE, "--from")
    assert "535 5.7.8" in run(home, *common, ADA, *login, "wrong", good=(28,))
    assert "553 5.7.1" in run(home, *common, EVE, *login, "secret of ada", good=(23, 24, 26))


def smtp_source(*arguments: str) -> None:
    """Postfix's load generator; it ends with an error when one message was not taken."""
    libraries = [f"{TOOLS}/usr/lib/postfix", *map(str, (TOOLS / "usr/lib").glob("*-linux-gnu"))]
    done = subprocess.run(
        [TOOLS / "usr/sbin/smtp-source", *arguments],
        capture_output=True, text=True, timeout=100, env={**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fatal" not in done.stderr


def arrived(site: Sandbox, reader: str, subject: str) -> int:
    with imap(site, reader) as client:
        client.select("INBOX", readonly=True)
        return len(client.search(None, "SUBJECT", f'"{subject}"')[1][0].split())


def test_smtp_source_brings_mail_from_many_at_once(site: Sandbox, subject: str) -> None:
    _, port = address(site, BETA, "smtp")
    common = ("-s", "10", "-m", "300", "-l", "4096", "-S", subject, "-f", "x@outside.example", "-t", EVE)
    smtp_source(*common, f"inet:127.0.0.1:{port}")
    smtp_source("-d", *common, f"inet:127.0.0.1:{port}")  # several messages in one session
    wait_for(lambda: arrived(site, EVE, subject) == 600)


def test_smtp_source_speaks_lmtp(site: Sandbox, subject: str) -> None:
    socket = site.domains[BETA]["lmtp"]
    smtp_source(
        "-L", "-s", "3", "-m", "60", "-S", subject, "-f", "x@outside.example", "-t", EVE, f"unix:{socket}"
    )
    assert arrived(site, EVE, subject) == 60


DIALOGS = {
    "smtp": ("smtp", ["EHLO client.example", "QUIT"], "221 2.0.0"),
    "submission": ("smtp", ["EHLO client.example", "QUIT"], "AUTH PLAIN LOGIN"),
    "submissions": ("", ["EHLO client.example", "QUIT"], "AUTH PLAIN LOGIN"),
    "imap": ("imap", [f'a LOGIN {ADA} "secret of ada"', "b SELECT INBOX", "c LOGOUT"], "b OK [READ-WRITE]"),
    "imaps": ("", [f'a LOGIN {ADA} "secret of ada"', "b SELECT INBOX", "c LOGOUT"], "b OK [READ-WRITE]"),
    "pop3": ("pop3", [f"USER {ADA}", "PASS secret of ada", "STAT", "QUIT"], "+OK"),
    "pop3s": ("", [f"USER {ADA}", "PASS secret of ada", "STAT", "QUIT"], "+OK"),
}


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("service", DIALOGS)
def test_openssl_verifies_and_talks(site: Sandbox, home: Path, service: str, version: str) -> None:
    start, lines, expected = DIALOGS[service]
    host, port = address(site, ALPHA, service)
    said = run(
        home, "openssl", "s_client", "-connect", f"{host}:{port}", *(("-starttls", start) if start else ()), version,
        "-CAfile", site.ca, "-verify_return_error", "-verify_hostname", f"mail.{ALPHA}", "-servername", f"mail.{ALPHA}",
        "-x509_strict", "-quiet", "-crlf", said="\n".join(lines) + "\n",
    )  # fmt: skip
    assert expected in said


def test_mbsync_reads(site: Sandbox, home: Path, subject: str) -> None:
    submit(site, ADA, EVE, subject=subject)
    received(site, EVE, subject)
    host, port = address(site, BETA, "imap")
    (home / "near").mkdir()
    settings = private(
        home / "mbsyncrc",
        f'IMAPAccount a\nHost {host}\nPort {port}\nUser {EVE}\nPass "secret of eve"\nSSLType STARTTLS\n'
        f"CertificateFile {site.ca}\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nInbox {home}/near/INBOX\n\n"
        "Channel c\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n",
    )
    run(home, "mbsync", "-c", settings, "c")
    assert subject in "".join(path.read_text() for path in (home / "near/INBOX/new").iterdir())


def neomutt(site: Sandbox, home: Path, login: str) -> str:
    """Settings by which a person reads and writes."""
    domain = login.partition("@")[2]
    (host, smtp), (_, imap_port) = address(site, domain, "submissions"), address(site, domain, "imaps")
    account, password = login.replace("@", "%40"), site.password(login)
    return private(
        home / "neomuttrc",
        f'set from="{login}"\nset ssl_ca_certificates_file="{site.ca}"\nset certificate_file="{home}/accepted"\n'
        f'set smtp_url="smtps://{account}@{host}:{smtp}/"\nset smtp_pass="{password}"\nset imap_user="{login}"\n'
        f'set imap_pass="{password}"\nset folder="imaps://{host}:{imap_port}/"\nset spoolfile="+INBOX"\n'
        "set copy=no\nset ssl_force_tls=yes\nset wait_key=no\nset pipe_decode=no\nset quit=yes\n"
        "set header_cache=\nset confirmappend=no\n",
    )


def test_neomutt_sends(site: Sandbox, home: Path, subject: str) -> None:
    (home / "note.txt").write_text("what stands in the file\n")
    said = run(
        home, "neomutt", "-F", neomutt(site, home, ADA), "-s", subject, "-a", str(home / "note.txt"), "--", EVE,
        said="Dear Eve,\n.\nwith a dot.\n",
    )  # fmt: skip
    octets = received(site, EVE, subject)
    assert b"\r\n.\r\nwith a dot." in octets, said
    assert b"what stands in the file" in octets


def test_neomutt_reads_copies_and_deletes(site: Sandbox, home: Path, subject: str) -> None:
    for number in (1, 2):
        submit(site, ADA, EVE, subject=f"{subject} no {number}")
        received(site, EVE, f"{subject} no {number}")
    keys = (
        f"<limit>~s '{subject} no 1'<enter><pipe-message>cat >{home}/read<enter><copy-message>=Archive<enter>"
        "<delete-message>"
        "<limit>all<enter><sync-mailbox><quit>"
    )
    push = f'push "{keys}"'
    command = shlex.join(["neomutt", "-F", neomutt(site, home, EVE), "-e", "set delete=yes", "-e", push])
    said = run(home, "script", "--quiet", "--return", "--command", command, "/dev/null")
    octets = (home / "read").read_bytes() if (home / "read").exists() else b""
    assert f"Subject: {subject} no 1".encode() in octets, said
    with imap(site, EVE) as client:
        client.select("INBOX")
        assert client.search(None, "SUBJECT", f'"{subject} no 1"')[1] == [b""]
        (left,) = client.search(None, "SUBJECT", f'"{subject} no 2"')[1]
        assert len(left.split()) == 1
    assert received(site, EVE, f"{subject} no 1", mailbox="Archive")


@pytest.mark.parametrize(
    ("protocol", "service"), [("pop3", "pop3"), ("pop3", "pop3s"), ("imap", "imap"), ("imap", "imaps")]
)
def test_fetchmail_fetches(site: Sandbox, home: Path, subject: str, protocol: str, service: str) -> None:
    submit(site, ADA, EVE, subject=subject)
    received(site, EVE, subject)
    host, port = address(site, BETA, service)
    secured = "ssl" if service.endswith("s") else "sslproto 'TLS1.2+'"
    settings = private(
        home / "fetchmailrc",
        f"poll {host} protocol {protocol} service {port} user '{EVE}' password 'secret of eve' {secured}"
        f" sslcertck sslcertfile '{site.ca}' keep fetchall no rewrite mda 'cat >>{home}/fetched'\n",
    )
    said = run(
        home,
        "fetchmail",
        "--fetchmailrc",
        settings,
        "--nosyslog",
        "--pidfile",
        str(home / "pid"),
        "--verbose",
    )
    assert subject in (home / "fetched").read_text(), said


def test_what_they_left_behind(site: Sandbox, subject: str) -> None:
    """After all of them the next person is served as ever, and no agent has said a word too much."""
    submit(site, EVE, ADA, subject=subject, octets=message(EVE, ADA, subject=subject))
    received(site, ADA, subject)
    for domain in (ALPHA, BETA):
        for agent in AGENTS:
            log = wait_for(lambda domain=domain, agent=agent: site.log(domain, agent))
            assert "Traceback" not in log
            assert "secret of" not in log
