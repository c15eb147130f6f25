"""The agents as a host runs them: ports, sandboxes, who may read what, and where no secret may stand."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..agents import AGENTS, PORTS, READS

testinfra_hosts = ["ansible://mail_hosts"]

EXPOSURE = {agent: 0.6 if agent in ("auth", "mda") else 1.3 for agent in AGENTS}
SOCKETS = {
    "/run/postroom/auth.sock": ("postroom-login", 0o660),
    "/run/postroom/lmtp.sock": ("postroom-relay", 0o660),
    "/run/postroom/submit.sock": ("root", 0o666),
}
each_agent = pytest.mark.parametrize("agent", AGENTS)

# Run by the agent's own Python, in the mount namespace of its service and as its user: what could a broken agent do?
BROKEN = """
import glob, json, os, pwd, subprocess, sys
user = pwd.getpwnam(sys.argv[1])
os.initgroups(user.pw_name, user.pw_gid)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
found = {}
for name, path in json.loads(sys.argv[2]).items():
    try:
        os.scandir(path).close() if os.path.isdir(path) else open(path, "rb").close()
        found[name] = "opened"
    except OSError as error:
        found[name] = type(error).__name__
try:
    open("/etc/postroom/written", "w").close()
    found["write"] = "done"
except OSError as error:
    found["write"] = type(error).__name__
try:
    subprocess.run(["/bin/sh", "-c", "true"], check=True)
    found["shell"] = "done"
except OSError as error:
    found["shell"] = type(error).__name__
print(json.dumps(found))
"""


def process(host: Any, agent: str) -> str:
    pid: str = host.check_output("systemctl show --property MainPID --value postroom-%s.service", agent)
    assert pid != "0"
    return pid


def private(host: Any) -> dict[str, str]:
    """Paths that exist on the host and that only some agents may open."""
    names = {
        "mailboxes": "ls -d /var/lib/postroom/accounts",
        "mailbox": "find /var/lib/postroom/accounts -name account.db | head -n 1",
        "passwords": "ls /var/lib/postroom/secrets/secrets.db",
        "signing key": "find /etc/postroom/dkim -name '*.pem' | head -n 1",
        "TLS key": "find /etc/postroom/tls -name key.pem | head -n 1",
    }
    return {name: path for name, command in names.items() if (path := host.check_output(command))}


# Words of the table of agents for the paths above.
PATHS = {
    "mailboxes": {"mailboxes", "mailbox"},
    "passwords": {"passwords"},
    "signing keys": {"signing key"},
    "TLS keys": {"TLS key"},
}


def allowed(agent: str) -> set[str]:
    return {name for words in READS[agent] for name in PATHS[words]}


@each_agent
def test_the_agent_runs_and_will_after_a_reboot(host: Any, agent: str) -> None:
    service = host.service(f"postroom-{agent}")
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize("port", PORTS.values())
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_the_port_is_open(host: Any, port: int, address: str) -> None:
    assert host.socket(f"tcp://{address}:{port}").is_listening


@each_agent
def test_exposure_is_low(host: Any, agent: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager postroom-%s.service", agent)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= EXPOSURE[agent]


@each_agent
def test_the_process_has_no_rights_but_its_own(host: Any, agent: str) -> None:
    status = host.check_output("cat /proc/%s/status", process(host, agent))
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == [str(host.user(f"postroom-{agent}").uid)] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


@each_agent
def test_the_user_is_nobody_who_could_log_in(host: Any, agent: str) -> None:
    user = host.user(f"postroom-{agent}")
    assert user.shell == "/usr/sbin/nologin"
    assert user.home == "/"
    assert host.check_output("getent shadow postroom-%s", agent).split(":")[1].startswith("!")


@each_agent
def test_who_may_open_what(host: Any, agent: str) -> None:
    """By users and groups alone, without any sandbox."""
    for name, path in private(host).items():
        done = host.run("runuser -u postroom-%s -- head -c 1 %s", agent, path)
        opened = done.rc == 0 or "Is a directory" in done.stderr
        assert opened == (name in allowed(agent)), f"{name}: {path}"


@each_agent
def test_what_a_broken_agent_could_do(host: Any, agent: str) -> None:
    """From inside the service's sandbox: nothing but its own work, no change of settings, no shell."""
    found = json.loads(
        host.check_output(
            "nsenter --target %s --mount /opt/postroom/current/bin/python -c %s postroom-%s %s",
            process(host, agent), BROKEN, agent, json.dumps(private(host)),
        )
    )  # fmt: skip
    assert found.pop("shell") == "PermissionError"
    assert found.pop("write") == "OSError"  # a read-only file system
    opened = {name for name, result in found.items() if result == "opened"}
    assert opened == allowed(agent) & set(found), found


@pytest.mark.parametrize("path", SOCKETS)
def test_local_sockets_belong_to_those_who_may_connect(host: Any, path: str) -> None:
    group, mode = SOCKETS[path]
    file = host.file(path)
    assert (file.user, file.group, file.mode) == ("root", group, mode)


def test_lmtp_is_for_the_relay_alone(host: Any) -> None:
    for agent in AGENTS:
        knock = "import socket; socket.socket(socket.AF_UNIX).connect('/run/postroom/lmtp.sock')"
        done = host.run("runuser -u postroom-%s -- python3 -c %s", agent, knock)
        assert (done.rc == 0) == (agent == "relay"), agent
        assert done.rc == 0 or "PermissionError" in done.stderr


@pytest.fixture(scope="session")
def secrets(request: pytest.FixtureRequest) -> list[str]:
    """All that the inventory's vault holds: passwords, keys line by line, the SRS secret."""
    vault = Path(request.config.option.ansible_inventory) / "group_vars/postroom/secrets.yml"
    program = Path(sys.executable).with_name("ansible-vault")
    done = subprocess.run(
        [program, "view", str(vault)], cwd=request.config.rootpath, capture_output=True, text=True, check=True
    )
    found: list[str] = []
    waiting: list[Any] = [yaml.safe_load(done.stdout)["postroom_vault"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [item for name, item in value.items() if name not in ("certificate", "names")]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            found += [line for line in value.splitlines() if len(line) > 15 and "KEY-----" not in line]
    assert len(found) > 10
    return found


@pytest.mark.parametrize(
    "command",
    [
        "ps -eo args --no-headers -ww",
        "journalctl --no-pager --output cat",
        "find /etc /run /tmp /var/tmp /var/log /var/lib/postroom /usr/local -xdev -type f -perm -o=r -size -4M"
        " -not -path '/var/log/journal/*' -exec cat {} + 2>/dev/null | tr -cd '\\11\\12\\40-\\176'",
        f"for unit in {' '.join(AGENTS)}; do"
        " tr '\\0' '\\n' </proc/$(systemctl show -P MainPID postroom-$unit)/environ; done",
    ],
    ids=["processes", "journal", "world-readable files", "environments"],
)
def test_no_secret_is_where_others_look(host: Any, secrets: list[str], command: str) -> None:
    text = host.run(command).stdout
    assert text
    leaked = [f"{secret[:3]}..." for secret in secrets if secret in text]
    assert not leaked


@each_agent
def test_a_reload_keeps_the_process(host: Any, agent: str) -> None:
    before = process(host, agent)
    host.check_output("systemctl reload postroom-%s.service", agent)
    assert process(host, agent) == before
    assert host.service(f"postroom-{agent}").is_running


@each_agent
def test_settings_are_accepted_and_not_for_everybody(host: Any, agent: str) -> None:
    path = f"/etc/postroom/{agent}.toml"
    assert host.run("/opt/postroom/current/bin/postroom-%s --check-config %s", agent, path).rc == 0
    assert (host.file(path).group, host.file(path).mode) == (f"postroom-{agent}", 0o640)


def test_the_log_tells_which_local_user_sent(host: Any, name: str) -> None:
    words = "runuser -u %s -- sh -c 'echo | /usr/sbin/sendmail postmaster@%s'"
    for user in ("root", "daemon"):
        host.check_output(words, user, name)
    said = host.check_output("journalctl -t postroom-msa -o cat --since -2min")
    assert {"root", "daemon"} <= set(re.findall(r" from=<\S*> .* user=(\S+)", said))


def test_debian_has_its_mail_transport_agent(host: Any) -> None:
    for command in ("/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"):
        assert host.check_output("readlink %s", command) == "/opt/postroom/current/bin/postroom-sendmail"
    wanted = host.check_output("apt-get install --simulate bsd-mailx")
    assert "exim4" not in wanted
    assert "Inst bsd-mailx" in wanted or "already the newest" in wanted


def test_man_and_bash_find_their_files(host: Any) -> None:
    for file in ("man/man1/postroom.1", "bash-completion/completions/postroom"):
        assert (
            host.check_output("readlink %s", f"/usr/local/share/{file}")
            == f"/opt/postroom/current/share/{file}"
        )
        assert "postroom" in host.file(f"/usr/local/share/{file}").content_string


def test_few_releases_are_kept(host: Any) -> None:
    releases = host.check_output("ls /opt/postroom/releases").split()
    assert 1 <= len(releases) <= 3
    assert host.check_output("basename $(readlink /opt/postroom/current)") in releases
