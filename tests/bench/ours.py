"""Postroom's agents as hosts run them: each by its console script, with as many workers as by default."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from subprocess import Popen

import yaml
from postroom.cli.sandbox.authority import Authority
from postroom.cli.sandbox.domains import UNIX, SandboxDomain
from processes import Running, ended, free_port, wait_until

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
AGENTS = [
    row["name"] for row in yaml.safe_load((ROOT / "playbooks/vars/agents.yml").read_text())["postroom_agents"]
]
LISTENERS = {
    "mta": ("smtp",), "msa": ("submission", "submissions", "local"), "mda": ("lmtp",), "imap": ("imap", "imaps"),
    "pop3": ("pop3", "pop3s"), "auth": ("auth",),
}  # fmt: skip
Changes = Iterable[tuple[str, str, object]]


@contextlib.contextmanager
def postroom(
    folder: Path,
    names: list[str],
    agents: Iterable[str],
    *,
    resolver: str = "127.0.0.1:1",
    changes: Changes = (),
) -> Iterator[Running]:
    """These agents for these accounts of alpha.example; `changes` are (agent, setting, value).

    Authentication of senders is off unless `changes` say otherwise: Postfix alone does none either.
    """
    domain = SandboxDomain("alpha.example", folder, [(f"{name}@alpha.example", "unused") for name in names])
    authority = Authority()
    folder.parent.joinpath("ca.pem").write_bytes(authority.pem)
    domain.prepare(authority, resolver)
    for listening in domain.sockets.values():
        listening.close()
    port = free_port()
    ports = {"smtp": port}
    listen = {
        agent: {
            name: [
                f"unix:{folder}/run/{UNIX[name]}"
                if name in UNIX
                else f"127.0.0.1:{ports.get(name) or free_port()}"
            ]
            for name in LISTENERS[agent]
        }
        for agent in LISTENERS
    }
    settings = [(agent, "listen", value) for agent, value in listen.items()]
    own = [("mta", "verify_authentication", False), ("mta", "trusted_clients", ["127.0.0.0/8"])]
    domain.write_settings({}, [*settings, *own, *changes])
    with contextlib.ExitStack() as running:
        started = [(agent, running.enter_context(_agent(folder, agent))) for agent in agents]
        for agent, process in started:
            log = folder / f"run/{agent}.log"
            wait_until(partial(_is_ready, log), process, log)
        yield Running(port, tuple(process.pid for _, process in started))


def _is_ready(log: Path) -> bool:
    return b"ready, version" in log.read_bytes()


def _agent(folder: Path, agent: str) -> contextlib.AbstractContextManager[Popen[bytes]]:
    command = [str(BIN / f"postroom-{agent}"), "--config", f"{folder}/etc/{agent}.toml"]
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    return ended(command, environment, folder / f"run/{agent}.log")
