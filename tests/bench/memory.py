"""Memory of all seven agents and their workers at rest, as their shares of it (PSS), and a name server for what must ask one."""

import contextlib
import multiprocessing
import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from load import Mailboxes
from ours import AGENTS, postroom
from postroom.runtime.nameserver import NameServer
from processes import Running, proportional_mib

GOAL_MIB = 250.0  # with as many workers as two cores have by default
REST_SECONDS = 2.0
SENDER_RECORDS = {
    ("outside.example", "TXT"): ('"v=spf1 ip4:127.0.0.1 -all"',),
    ("_dmarc.outside.example", "TXT"): ('"v=DMARC1; p=reject"',),
}


def idle(folder: Path) -> dict[str, Any]:
    """Each agent started by its own console script; one message delivered; then nothing happens any more."""
    folder.mkdir()
    changes = [("mta", "verify_authentication", True)]
    with (
        name_server() as resolver,
        postroom(folder / "host", ["ada"], AGENTS, resolver=resolver, changes=changes) as running,
    ):
        _deliver(running, folder / "host")
        time.sleep(REST_SECONDS)
        shares = {agent: proportional_mib(pid) for agent, pid in zip(AGENTS, running.pids, strict=True)}
    total = sum(shares.values())
    return {
        "name": "idle_memory_of_all_agents",
        "ratio": round(GOAL_MIB / total, 3),
        "unit": "MiB PSS",
        "postroom": round(total, 1),
        "goal": GOAL_MIB,
        "agents": {agent: round(share, 1) for agent, share in shares.items()},
    }


def _deliver(running: Running, folder: Path) -> None:
    with smtplib.SMTP("127.0.0.1", running.port, timeout=20) as client:
        client.sendmail(
            "x@outside.example", ["ada@alpha.example"], "From: x@outside.example\r\n\r\nHello.\r\n"
        )
    arrived = Mailboxes(folder)
    deadline = time.monotonic() + 20
    while arrived() < 1:
        if time.monotonic() > deadline:
            raise SystemExit("bench: the message did not arrive")
        time.sleep(0.05)


@contextlib.contextmanager
def name_server() -> Iterator[str]:
    """A resolver that knows a sender's domain with SPF and DMARC and no other name; where it listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        serve = NameServer(SENDER_RECORDS).serve
        process = multiprocessing.get_context("fork").Process(target=serve, args=(endpoint,), daemon=True)
        process.start()
        try:
            yield f"127.0.0.1:{endpoint.getsockname()[1]}"
        finally:
            process.terminate()
            process.join()
