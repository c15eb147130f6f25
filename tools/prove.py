"""Send mail between the demo's companies and print the proofs, in a table that a newcomer understands.

Argument: the log of the second run of site.yml, to tell what it changed. Exit status 1 when something failed.
"""

import re
import smtplib
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.agents import PORTS  # noqa: E402
from tests.clients import field, message, received, smtp, submit  # noqa: E402
from tests.hosts.site import HostsSite  # noqa: E402

ADA, GRACE = "ada@alpha.example", "grace@beta.example"
WIDTH = 44


class Table:
    """Rows of tests and their results."""

    def __init__(self) -> None:
        self.failed = 0

    def row(self, what: str, judge: Callable[[], str]) -> None:
        """Add a row. `judge` returns the text for the table, or raises."""
        try:
            words, mark = judge(), "yes"
        except Exception as error:
            words, mark = f"{type(error).__name__}: {error}"[:100], "NO "
            self.failed += 1
        print(f"  {what:{WIDTH}} {mark}  {words}", flush=True)


def crossing(site: HostsSite, sender: str, reader: str) -> bytes:
    """Send a message from one company to the other; return it as it arrived."""
    subject = f"demo {uuid.uuid4()}"
    submit(site, sender, reader, subject=subject)
    return received(site, reader, subject)


def result(octets: bytes, pattern: str) -> str:
    """Return the receiving MTA's result of one method; raise an error if it did not pass."""
    (results,) = field(octets, "Authentication-Results")
    found = re.search(pattern, results)
    if not found:
        raise AssertionError(f"not in {results}")
    return found[0]


def tls_version(octets: bytes) -> str:
    """Return the TLS version between the MTAs."""
    found = re.search(r"TLSv1\.\d", field(octets, "Received")[0])
    if not found:
        raise AssertionError("no TLS between the MTAs")
    return found[0]


def refused(site: HostsSite, attempt: Callable[[smtplib.SMTP], tuple[int, bytes]]) -> str:
    """Return the refusal that a stranger gets from beta's MTA."""
    with smtp(site, "beta.example") as client:
        code, words = attempt(client)
        if not 500 <= code < 600:
            raise AssertionError(f"accepted with {code}")
        return f"{code} {words.decode().splitlines()[0]}"


def forge(client: smtplib.SMTP) -> tuple[int, bytes]:
    """Send mail as a stranger in alpha's name."""
    client.mail("someone@forger.example")
    client.rcpt(GRACE)
    return client.data(message(ADA, GRACE, subject="forged"))


def relay(client: smtplib.SMTP) -> tuple[int, bytes]:
    """Send mail to a recipient in a foreign domain."""
    client.mail("someone@forger.example")
    return client.rcpt("someone@elsewhere.example")


ASK = """
import asyncio
from postroom.policy.lookups import Query, RecordType
from postroom.runtime.resolver import Resolver
answer = asyncio.run(Resolver("127.0.0.1:53").lookup(Query("beta.example", RecordType.MX)))
print(*(mx.host for mx in answer.exchanges), "validated" if answer.authenticated else "not validated")
"""


def dnssec() -> str:
    """Check that alpha's own resolver has validated beta's MX record."""
    host, _ = HostsSite().port("alpha.example", "smtp")
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command = [
        "ssh",
        "-i",
        str(ROOT / "build/ssh/id_ed25519"),
        *options,
        f"root@{host}",
        "/opt/postroom/current/bin/python",
        "-",
    ]
    words = subprocess.run(command, input=ASK, capture_output=True, text=True, check=True).stdout.strip()
    if not words.endswith(" validated") or words.endswith("not validated"):
        raise AssertionError(words)
    return words


def second_run(log: str) -> str:
    """Return the numbers of Ansible's recap."""
    recap = re.findall(
        r"^(\S+)\s+: ok=\d+\s+changed=(\d+).*failed=(\d+)", Path(log).read_text(), re.MULTILINE
    )
    changed = {host: int(count) for host, count, _ in recap if host != "localhost"}
    if not changed or any(changed.values()):
        raise AssertionError(f"changed {changed}")
    return f"changed 0 on {len(changed)} hosts"


def login_lines(site: HostsSite) -> str:
    """Return commands to try by hand."""
    host, _ = site.port("alpha.example", "imaps")
    password = site.password(ADA)
    resolve = f"--cacert {site.ca} --connect-to ::{host}:"
    return f"""
Log in yourself: {ADA}, password {password}, host {host} (mail.alpha.example)
  submission {PORTS["submissions"]} or, by STARTTLS, {PORTS["submission"]}; IMAP {PORTS["imaps"]}; POP3 {PORTS["pop3s"]}

  # read the first message
  curl {resolve} --user '{ADA}:{password}' 'imaps://mail.alpha.example/INBOX;MAILINDEX=1'
  # send one
  printf 'From: {ADA}\\r\\nTo: {GRACE}\\r\\nSubject: hello\\r\\n\\r\\nIt works.\\r\\n' |
    curl {resolve} --user '{ADA}:{password}' \\
    --mail-from {ADA} --mail-rcpt {GRACE} --upload-file - smtps://mail.alpha.example
  # look at the certificate and the TLS version of the MTA
  openssl s_client -connect {host}:25 -starttls smtp -servername mail.alpha.example -CAfile {site.ca} </dev/null
  # look around on a host
  ssh -i build/ssh/id_ed25519 root@{host} postroom queue list"""


def main() -> int:
    """Print the table; return 1 if a row failed."""
    site, table = HostsSite(), Table()
    arrived: dict[str, bytes] = {}

    def deliver(sender: str, reader: str) -> str:
        arrived[reader] = crossing(site, sender, reader)
        return f"{sender} to {reader}, {len(arrived[reader])} octets"

    print()
    table.row("alpha to beta delivered", lambda: deliver(ADA, GRACE))
    table.row("beta to alpha delivered", lambda: deliver(GRACE, ADA))
    octets = arrived.get(GRACE, b"")
    table.row("TLS between the two MTAs", lambda: tls_version(octets))
    table.row("DNSSEC: MX of beta validated by alpha", dnssec)
    table.row("SPF: sending host is authorised", lambda: result(octets, r"spf=pass smtp\.mailfrom=\S+[^;\s]"))
    table.row(
        "DKIM: RSA signature verified",
        lambda: result(octets, r"dkim=pass[^;]*rsa-sha256").split(" header.b")[0],
    )
    table.row("DKIM: Ed25519 signature verified", lambda: result(octets, r"dkim=pass[^;]*ed25519-sha256"))
    table.row("DMARC: From is aligned", lambda: result(octets, r"dmarc=pass header\.from=\S+"))
    table.row("forged mail refused", lambda: refused(site, forge))
    table.row("relaying refused", lambda: refused(site, relay))
    table.row("second run of the playbook", lambda: second_run(sys.argv[1]))
    print(login_lines(site))
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
