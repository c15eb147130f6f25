"""The units that the roles write, judged by systemd's own tools."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from agent_files import AGENTS, ROLES, content, load, rendered, templar

# systemd-analyze's exposure: none may be above 1.3, and those without a network of their own not above 0.6
LIMITS = {agent: 1.3 if agent in ("mta", "relay") else 0.6 for agent in AGENTS}
each_agent = pytest.mark.parametrize("agent", AGENTS)


def units(agent: str) -> dict[str, str]:
    files = rendered(agent)["files"]
    return {Path(file["path"]).name: file["content"] for file in files if "/systemd/system/" in file["path"]}


def exposure(text: str, unit: Path) -> float:
    unit.write_text(text)
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    return float(found[1])


@each_agent
def test_exposure_is_low(agent: str, tmp_path: Path) -> None:
    unit = tmp_path / f"postroom-{agent}.service"
    assert exposure(content(agent, unit.name), unit) <= LIMITS[agent]


@each_agent
def test_systemd_understands_every_line(agent: str, tmp_path: Path) -> None:
    for name, text in units(agent).items():
        # programs that are not installed here
        here = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text)
        here = re.sub(r"(User|Group|SocketGroup)=\S+", r"\1=root", here)
        (tmp_path / name).write_text(here)
    words = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "postroom" in line]
    assert not complaints, "\n".join(complaints)


@each_agent
def test_each_socket_leads_to_its_service(agent: str) -> None:
    found = units(agent)
    service = found[f"postroom-{agent}.service"]
    sockets = [name for name in found if name.endswith(".socket")]
    named = re.search(r"^Sockets=(.*)$", service, re.MULTILINE)
    assert sorted(named[1].split() if named else []) == sorted(sockets)
    needed = re.search(r"^Requires=(.*)$", service, re.MULTILINE)  # a port in use stops the service
    assert sorted(needed[1].split() if needed else []) == sorted(sockets)
    for name in sockets:
        assert f"Service=postroom-{agent}.service" in found[name]
        assert "Backlog=1024" in found[name]


@pytest.mark.parametrize(
    ("agent", "listener", "group", "mode"),
    [
        ("auth", "auth", "postroom-login", "0660"),
        ("mda", "lmtp", "postroom-relay", "0660"),
        ("msa", "local", "root", "0666"),
    ],
)
def test_local_sockets_are_guarded_by_owner_and_group(
    agent: str, listener: str, group: str, mode: str
) -> None:
    lines = units(agent)[f"postroom-{agent}-{listener}.socket"].splitlines()
    assert {"SocketUser=root", f"SocketGroup={group}", f"SocketMode={mode}"} <= set(lines)


@each_agent
def test_only_mta_and_relay_can_open_sockets_to_the_network(agent: str) -> None:
    lines = content(agent, f"postroom-{agent}.service").splitlines()
    if agent == "relay":
        assert "IPAddressDeny=any" not in lines
    else:
        assert "IPAddressDeny=any" in lines
    assert ("PrivateNetwork=yes" in lines) == (agent not in ("mta", "relay"))


@pytest.mark.parametrize(
    ("word", "private", "reaches", "families", "limit"),
    [
        ("none", True, "", "AF_UNIX", 0.6),
        ("loopback", False, "localhost", "AF_UNIX AF_INET AF_INET6", 1.2),
        ("peers", False, "localhost 192.0.2.1 2001:db8::1", "AF_UNIX AF_INET AF_INET6", 1.3),
        ("internet", False, None, "AF_UNIX AF_INET AF_INET6", 1.3),
    ],
)
def test_one_word_says_what_an_agent_reaches(
    word: str, private: bool, reaches: str | None, families: str, limit: float, tmp_path: Path
) -> None:
    given = {"agent_network": word, "agent_peers": ["192.0.2.1", "2001:db8::1"]}
    text = content("mta", "postroom-mta.service", **given)
    found = dict(
        re.findall(r"^(PrivateNetwork|IPAddress\w+|RestrictAddressFamilies)=(.*)$", text, re.MULTILINE)
    )
    expected = {"RestrictAddressFamilies": families}
    if reaches is not None:
        expected["IPAddressDeny"] = "any"
    if reaches:
        expected["IPAddressAllow"] = reaches
    if private:
        expected["PrivateNetwork"] = "yes"
    assert found == expected
    assert exposure(text, tmp_path / "postroom-mta.service") <= limit


@each_agent
def test_an_agent_sees_only_what_it_is_for(agent: str) -> None:
    hidden = re.search(r"^InaccessiblePaths=(.*)$", content(agent, f"postroom-{agent}.service"), re.MULTILINE)
    assert hidden
    sees = {"auth": "secrets", "imap": "accounts", "mda": "accounts", "pop3": "accounts", "relay": "dkim"}
    private = {
        "accounts": "/var/lib/postroom/accounts",
        "dkim": "/etc/postroom/dkim",
        "secrets": "/var/lib/postroom/secrets",
    }
    for name, path in private.items():
        assert (f"-{path}" in hidden[1].split()) == (sees.get(agent) != name)


def test_an_empty_list_of_addresses_takes_the_socket_away() -> None:
    files = [file["path"] for file in rendered("imap", imap_listen_imap=[])["files"]]
    assert "/etc/systemd/system/postroom-imap-imaps.socket" in files
    assert "/etc/systemd/system/postroom-imap-imap.socket" not in files


def handler(agent: str, **given: Any) -> dict[str, Any]:
    """The handler that the agent's role notifies, as agent_units gets it."""
    (found,) = load(ROLES / "agent/handlers/main.yml")
    (write,) = load(ROLES / "agent/tasks/configure.yml")
    engine = templar(agent, **given)
    assert engine.template(found["name"]) == engine.template(write["notify"]) == f"Reload postroom-{agent}"
    arguments: dict[str, Any] = engine.template(found["agent_units"])
    return arguments


@each_agent
def test_a_change_of_settings_or_secrets_reloads_the_agent_itself(agent: str) -> None:
    secrets = {f"{agent}_srs_secrets": ["one"], "relay_dkim_keys": {"a.example": {"rsa1": "KEY"}}}
    found = handler(agent, **secrets)
    assert (found["service"], found["changing"]) == (f"postroom-{agent}.service", [])
    files = {"mta": ["mta.srs-secrets"], "msa": ["msa.srs-secrets"]}
    files["relay"] = ["dkim/a.example/rsa1.pem", "relay.srs-secrets"]
    assert found["reload_for"] == [
        f"/etc/postroom/{name}" for name in [f"{agent}.toml", *files.get(agent, [])]
    ]


@each_agent
def test_in_check_mode_the_reload_knows_what_would_have_changed(agent: str) -> None:
    facts = {f"agent_changing_postroom_{name}": [name] for name in AGENTS}
    assert handler(agent, ansible_facts=facts)["changing"] == [agent]
