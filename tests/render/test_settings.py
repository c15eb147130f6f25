"""The settings files that the roles write, read by the agents' own loader."""

import importlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_files import AGENTS, ROLES, content, load, rendered
from postroom.runtime import config

# Places on a host that the kit decides, and what only a sandbox needs.
FIXED = {
    "accounts_directory", "auth_socket", "counters_path", "dkim_directory", "directory_path", "guesses_path", "listen",
    "lmtp_socket", "mx_ports", "notice_directory", "over_quota_directory", "report_spool_directory", "run_directory",
    "secrets_path", "smtp_port", "spool_directories", "spool_directory", "srs_secrets_file", "tls_directory",
}  # fmt: skip
FIXED_FOR = {"auth": {"workers"}}
each_agent = pytest.mark.parametrize("agent", AGENTS)


def kind(agent: str) -> Any:
    return getattr(importlib.import_module(f"postroom.{agent}.config"), f"{agent.capitalize()}Config")


def loaded(agent: str, folder: Path, **given: Any) -> Any:
    path = folder / f"{agent}.toml"
    path.write_text(content(agent, f"{agent}.toml", **given))
    return config.load(path, kind(agent))


@each_agent
def test_defaults_of_the_role_are_the_agents(agent: str, tmp_path: Path) -> None:
    settings = loaded(agent, tmp_path)
    own = kind(agent)(host_name="mail.alpha.example")
    for field in msgspec.structs.fields(own):
        if field.name not in FIXED:
            assert getattr(settings, field.name) == getattr(own, field.name), field.name


@each_agent
def test_every_setting_has_a_variable_of_its_name(agent: str) -> None:
    fields = (
        {field.name for field in msgspec.structs.fields(kind(agent))} - FIXED - FIXED_FOR.get(agent, set())
    )
    options = load(ROLES / agent / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {f"{agent}_{name}" for name in fields} <= set(options)


@each_agent
def test_a_changed_variable_reaches_the_agent(agent: str, tmp_path: Path) -> None:
    given = {f"{agent}_log_level": "debug", f"{agent}_drain_seconds": 7}
    settings = loaded(agent, tmp_path, **given)
    assert (settings.log_level, settings.drain_seconds) == ("debug", 7)
    assert "TimeoutStopSec=22s" in content(agent, f"postroom-{agent}.service", **given)


def test_lists_and_odd_characters_survive(tmp_path: Path) -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    assert loaded("mta", tmp_path, mta_trusted_clients=networks).trusted_clients == networks
    assert loaded("relay", tmp_path, relay_ca_file='/etc/"odd"\\path').ca_file == '/etc/"odd"\\path'


def test_a_bad_value_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="max_recipients = 5 is not usable"):
        loaded("mta", tmp_path, mta_max_recipients=5)


@pytest.mark.parametrize("agent", ["mta", "msa", "relay"])
def test_srs_secrets_are_files_of_their_agent_alone(agent: str, tmp_path: Path) -> None:
    assert rendered(agent)["secret_files"] == []
    given = {f"{agent}_srs_secrets": ["newer", "older"]}
    found = rendered(agent, **given)
    path = f"/etc/postroom/{agent}.srs-secrets"
    assert found["secret_files"] == [{"path": path, "group": f"postroom-{agent}"}]
    assert found["secrets"] == {path: "newer\nolder\n"}
    assert loaded(agent, tmp_path, **given).srs_secrets_file == path


def test_signing_keys_are_files_of_the_relay_alone() -> None:
    found = rendered("relay", relay_dkim_keys={"alpha.example": {"ed1": "PEM 1\n", "rsa1": "PEM 2"}})
    ed1, rsa1 = (f"/etc/postroom/dkim/alpha.example/{selector}.pem" for selector in ("ed1", "rsa1"))
    assert found["secret_files"] == [{"path": path, "group": "postroom-relay"} for path in (ed1, rsa1)]
    assert found["secrets"] == {ed1: "PEM 1\n", rsa1: "PEM 2\n"}
    assert "d /etc/postroom/dkim/alpha.example 0750 root postroom-relay -" in content(
        "relay", "tmpfiles.d/postroom-relay.conf", relay_dkim_keys={"alpha.example": {}}
    )
