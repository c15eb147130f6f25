"""Accepting mail by SMTP: Postroom's mta beside Postfix from Debian, under the same load, both durable before 250.

    python tests/bench/smtp_accept.py [--rounds 3] [--workers 1] [--json FILE]

Postfix's packages are unpacked into build/bench (nothing is installed, no service is started); it runs with its own
configuration and queue on a loopback port, in a mount namespace that knows its users. It is spared all delivery:
what it accepts goes to its hold queue. Load: smtp-source of Postfix. Needs root, apt and unshare.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from postroom.directory.apply import apply
from postroom.directory.reading import read_document

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("postfix", "libdb5.3", "libicu72")
QUEUES = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "public", "maildrop",
    "pid", "saved", "trace",
)  # fmt: skip
HOST = "mail.alpha.example"
RECIPIENT = "ada@alpha.example"

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG LD_LIBRARY_PATH={libraries}
myhostname = mail.alpha.example
mydestination =
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.2/32
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = alpha.example
virtual_mailbox_maps = inline:{{ ada@alpha.example=ada }}
smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access static:HOLD
message_size_limit = 52428800
in_flow_delay = 0
"""
MASTER_CF = """{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
"""


class Load(NamedTuple):
    """One kind of load: what smtp-source is told."""

    name: str
    messages: int
    octets: int
    kept: bool


LOADS = (
    Load("smtp_accept_4k_new_connections", 4000, 4096, kept=False),
    Load("smtp_accept_4k_kept_connections", 6000, 4096, kept=True),
    Load("smtp_accept_50k_new_connections", 2000, 51_200, kept=False),
)


class Server(NamedTuple):
    """A running server: where it listens, how many messages are on its disk, and its processor time so far."""

    port: int
    accepted: Callable[[], int]
    processor_seconds: Callable[[], float]


def unpacked() -> Path:
    """Debian's Postfix in build/bench, downloaded when it is not there yet."""
    folder = ROOT / "build/bench/postfix"
    if not (folder / "usr/sbin/smtp-source").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as packages:
            subprocess.run(["apt-get", "download", *PACKAGES], cwd=packages, check=True, capture_output=True)
            for package in Path(packages).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    return folder


def libraries(root: Path) -> str:
    return f"{root}/usr/lib/postfix:{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/aarch64-linux-gnu"


@contextlib.contextmanager
def postfix(folder: Path, root: Path) -> Iterator[Server]:
    """Postfix with its own queue; its users exist only in its mount namespace."""
    port = free_port()
    accounts = {"passwd": "postfix:x:64901:64901::/:/bin/false\n", "group": "postfix:x:64901:\npostdrop:x:64902:\n"}
    for name, lines in accounts.items():
        (folder / name).write_text(Path("/etc", name).read_text() + lines)
    for name in QUEUES:
        (folder / "queue" / name).mkdir(parents=True)
        os.chown(folder / "queue" / name, 64901 if name != "pid" else 0, 0)
    for name, mode in (("public", 0o710), ("maildrop", 0o730)):
        os.chown(folder / "queue" / name, 64901, 64902)
        (folder / "queue" / name).chmod(mode)
    (folder / "data").mkdir()
    os.chown(folder / "data", 64901, 64901)
    (folder / "etc").mkdir()
    (folder / "etc/main.cf").write_text(MAIN_CF.format(folder=folder, root=root, libraries=libraries(root)))
    (folder / "etc/master.cf").write_text(MASTER_CF.format(port=port))
    script = (
        f"mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group &&"
        f" exec {root}/usr/lib/postfix/sbin/master -d -c {folder}/etc"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(root), "MAIL_CONFIG": f"{folder}/etc"}
    with running(["unshare", "-m", "sh", "-c", script], port, environment, folder / "log") as process:
        yield Server(port, lambda: sum(1 for one in (folder / "queue/hold").rglob("*") if one.is_file()),
                     lambda: processor_seconds(process.pid))  # fmt: skip


@contextlib.contextmanager
def postroom(folder: Path, workers: int) -> Iterator[Server]:
    """Our mta as a host runs it, without DNS checks, which Postfix does not do either."""
    port = free_port()
    document = {
        "version": 1,
        "domains": [{"name": "alpha.example", "home": HOST}, {"name": HOST, "home": HOST}],
        "accounts": [{"id": "id-ada", "address": RECIPIENT}],
    }
    apply(folder / "directory.db", read_document(json.dumps(document).encode()))
    certificate = folder / "tls" / HOST
    certificate.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={HOST}", "-keyout", certificate / "key.pem", "-out", certificate / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    settings = {
        "host_name": HOST, "workers": workers, "directory_path": str(folder / "directory.db"),
        "run_directory": str(folder), "spool_directory": str(folder / "mta"), "tls_directory": str(folder / "tls"),
        "over_quota_directory": str(folder / "full"), "verify_authentication": False, "max_connections_per_client": 50,
    }  # fmt: skip
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "mta.toml").write_text(f'{text}[listen]\nsmtp = ["127.0.0.1:{port}"]\n')
    command = [sys.executable, "-c", "from postroom.mta.app import main; main()", "--config", str(folder / "mta.toml")]
    with running(command, port, dict(os.environ), folder / "log") as process:
        yield Server(port, lambda: spooled(folder / "mta"), lambda: processor_seconds(process.pid))


def spooled(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            total += database.execute("SELECT COUNT(*) FROM message").fetchone()[0]
    return total


@contextlib.contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process until it listens, and its orderly end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(port, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(5)
            if connection.recv(3) == b"220":
                return
        time.sleep(0.05)
    raise SystemExit(f"server does not answer: {log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all its children, also of those that have ended."""
    total = 0
    parents: dict[int, list[int]] = {}
    times: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                values = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(values[1]), []).append(int(entry.name))
                times[int(entry.name)] = sum(map(int, values[11:15]))
    pending = [pid]
    while pending:
        one = pending.pop()
        total += times.get(one, 0)
        pending += parents.get(one, [])
    return total / os.sysconf("SC_CLK_TCK")


def measure(server: Server, load: Load, source: Path, root: Path) -> tuple[float, float]:
    """Messages per second, and processor seconds per 1000 messages; every message must be on disk."""
    os.sync()  # what another server's run left to be written must not be written during this one
    before, used = server.accepted(), server.processor_seconds()
    command = [str(source), "-s", "20", "-m", str(load.messages), "-l", str(load.octets), "-f", "x@outside.example",
               "-t", RECIPIENT, *(["-d"] if load.kept else []), f"127.0.0.1:{server.port}"]  # fmt: skip
    began = time.monotonic()
    subprocess.run(command, env={**os.environ, "LD_LIBRARY_PATH": libraries(root)}, check=True, capture_output=True)
    seconds = time.monotonic() - began
    used = server.processor_seconds() - used
    found = server.accepted() - before
    if found != load.messages:
        raise SystemExit(f"{load.name}: {load.messages} sent, {found} on disk")
    return load.messages / seconds, used / load.messages * 1000


def compare(rounds: int, workers: int) -> list[dict[str, object]]:
    """Every load on both servers in turn, so that the machine's moods hit both."""
    root = unpacked()
    source = root / "usr/sbin/smtp-source"
    base = ROOT / "build/bench"
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(dir=base) as ours, tempfile.TemporaryDirectory(dir=base) as theirs:
        Path(theirs).chmod(0o755)
        with postroom(Path(ours), workers) as mine, postfix(Path(theirs), root) as other:
            for server in (mine, other):
                measure(server, Load("warm-up", 200, 4096, kept=False), source, root)
            for load in LOADS:
                pairs = [(measure(mine, load, source, root), measure(other, load, source, root)) for _ in range(rounds)]
                results.append(summary(load, pairs))
                print(
                    "{name}: Postroom {postroom:.0f}/s, Postfix {postfix:.0f}/s, ratio {ratio:.2f};"
                    " CPU seconds per 1000: {postroom_cpu:.2f} and {postfix_cpu:.2f}".format(**results[-1]),
                    file=sys.stderr,
                    flush=True,
                )
    return results


def summary(load: Load, pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> dict[str, object]:
    """Medians over the rounds."""
    mine, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratio = statistics.median(a[0] / b[0] for a, b in pairs)
    return {
        "name": load.name,
        "ratio": round(ratio, 3),
        "postroom": round(statistics.median(one[0] for one in mine), 1),
        "postfix": round(statistics.median(one[0] for one in other), 1),
        "postroom_cpu": round(statistics.median(one[1] for one in mine), 3),
        "postfix_cpu": round(statistics.median(one[1] for one in other), 3),
    }


def main() -> None:
    """Print one JSON object per load."""
    parser = argparse.ArgumentParser(description="SMTP accept, Postroom beside Postfix")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("apt-get"):
        raise SystemExit("smtp_accept needs root, apt-get and unshare")
    results = compare(options.rounds, options.workers)
    for one in results:
        print(json.dumps(one))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
