"""The settings files that the roles write, read by the agents' own loader."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_files import AGENTS, ROLES, ROOT, content, rendered
from postroom.runtime import config

each_agent = pytest.mark.parametrize("agent", AGENTS)


def page() -> Any:
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "tools/settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = page()
kind = PAGE.config


def changeable(agent: str) -> list[str]:
    """The settings that are not fixed."""
    return [name for name in PAGE.settings(kind(agent)) if PAGE.reason(agent, name) is None]


def value(settings: Any, name: str) -> Any:
    """The value of a setting; one of a struct inside is joined to the struct's name by `_`."""
    for field in msgspec.structs.fields(settings):
        if name == field.name:
            return getattr(settings, name)
        if name.startswith(f"{field.name}_") and isinstance(getattr(settings, field.name), msgspec.Struct):
            return value(getattr(settings, field.name), name.removeprefix(f"{field.name}_"))
    raise KeyError(name)


def another(agent: str, name: str, default: Any) -> Any:
    """A value that is not the default and that the preflight accepts."""
    if name == "host_name":
        return "mail.other.example"
    if isinstance(default, bool):
        return not default
    candidates: list[Any] = ["debug", "127.0.0.9:53", ["192.0.2.0/24"], ["192.0.2.1"], ["ipv4"]]
    if isinstance(default, int | float):
        candidates = [int(default) + 1, int(default) - 1]
    return next(each for each in candidates if PAGE.accepts(f"{agent}_{name}", each))


def loaded(agent: str, folder: Path, **given: Any) -> Any:
    path = folder / f"{agent}.toml"
    path.write_text(content(agent, f"{agent}.toml", **given))
    return config.load(path, kind(agent))


@each_agent
def test_every_setting_is_a_variable_or_said_to_be_fixed(agent: str) -> None:
    options, template = PAGE.options(agent), f"roles/{agent}/templates/etc/postroom/{agent}.toml.j2"
    missing = [name for name in changeable(agent) if f"{agent}_{name}" not in options]
    assert not missing, (
        f"{missing} of {agent}: add {agent}_... to roles/{agent}/meta/argument_specs.yml, defaults/main.yml and {template}, "
        "or say in FIXED of tools/settings_page.py why it is fixed"
    )


@each_agent
def test_no_variable_of_a_fixed_setting(agent: str) -> None:
    fixed = [name for name in PAGE.settings(kind(agent)) if PAGE.reason(agent, name) is not None]
    both = [name for name in fixed if f"{agent}_{name}" in PAGE.options(agent)]
    assert not both, (
        f"{both} of {agent}: take it out of FIXED of tools/settings_page.py, or out of roles/{agent}"
    )


@each_agent
def test_every_variable_is_read_by_its_role(agent: str) -> None:
    """A variable that is no setting (memory, sockets, secrets) is used by a task or a template."""
    files = [path for path in (ROLES / agent).rglob("*") if path.is_file() and path.suffix in (".yml", ".j2")]
    texts = "".join(path.read_text() for path in files if path.parent.name not in ("meta", "defaults"))
    unread = [name for name in PAGE.options(agent) if not re.search(rf"\b{name}\b", texts)]
    assert not unread, f"{unread}: nothing in roles/{agent} reads it"


def test_what_is_said_to_be_fixed_is_a_setting() -> None:
    known = {
        each for agent in AGENTS for name in PAGE.settings(kind(agent)) for each in (name, f"{agent}.{name}")
    }
    assert set(PAGE.FIXED) <= known, (
        f"FIXED of tools/settings_page.py: {set(PAGE.FIXED) - known} is no setting"
    )


def test_every_agent_is_looked_at() -> None:
    agents = {path.parent.name for path in (ROOT / "agents/src/postroom").glob("*/config.py")} - {
        "cli",
        "runtime",
    }
    assert agents == set(AGENTS) == set(PAGE.AGENTS)


@each_agent
def test_defaults_of_the_role_are_the_agents(agent: str, tmp_path: Path) -> None:
    settings, own = loaded(agent, tmp_path), kind(agent)(host_name="mail.alpha.example")
    given = {name: value(settings, name) for name in changeable(agent)}
    wanted = {name: value(own, name) for name in changeable(agent)}
    differing = {name: (given[name], wanted[name]) for name in wanted if given[name] != wanted[name]}
    assert not differing, f"{agent}: setting: (default of the role, default of the agent): {differing}"


@each_agent
def test_every_variable_reaches_the_agent(agent: str, tmp_path: Path) -> None:
    before = loaded(agent, tmp_path)
    wanted = {name: another(agent, name, value(before, name)) for name in changeable(agent)}
    after = loaded(agent, tmp_path, **{f"{agent}_{name}": each for name, each in wanted.items()})
    deaf = [name for name in wanted if value(after, name) != wanted[name]]
    assert not deaf, f"{deaf}: roles/{agent}/templates/etc/postroom/{agent}.toml.j2 does not write it"


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
