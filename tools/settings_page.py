#!/usr/bin/env python3
"""Write docs/reference/settings.md from the roles' argument specs and the agents' own rules. A test compares them.

A new setting of an agent is either a variable of its role, or listed in FIXED below with the reason.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/settings.md"
AGENTS = [
    row["name"] for row in yaml.safe_load((ROOT / "playbooks/vars/agents.yml").read_text())["postroom_agents"]
]
OTHERS = ("directory", "host", "resolver", "tls", "release")

PLACE = "a path on the host: units, sandboxes and other agents use it too"
SANDBOX = "only for the sandbox and for tests: other servers listen on port 25"
# Settings of an agent that an inventory cannot change, and why. `AGENT.setting` is fixed only for this agent.
FIXED = {
    "accounts_directory": PLACE,
    "auth_socket": PLACE,
    "auth.workers": "one process, because it counts wrong passwords in one place",
    "counters_path": PLACE,
    "directory_path": PLACE,
    "dkim_directory": PLACE,
    "guesses_path": PLACE,
    "listen": "only for the sandbox and for tests: systemd holds the sockets that `AGENT_listen_...` names",
    "lmtp_socket": PLACE,
    "mx_ports": SANDBOX,
    "notice_directory": PLACE,
    "over_quota_directory": PLACE,
    "report_spool_directory": PLACE,
    "run_directory": PLACE,
    "secrets_path": PLACE,
    "smtp_port": SANDBOX,
    "spool_directories": PLACE,
    "spool_directory": PLACE,
    "srs_secrets_file": "the kit writes the file from the vault, and sets the path if there are secrets",
    "tls_directory": PLACE,
}
HEAD = """# Settings

Every setting that an inventory may change, with its default and the values that it accepts. Put a setting for all
hosts into `group_vars/postroom/site.yml`, one for a company into its group's file, and one for a host beside its name.
Preflight checks all of them before the first change. [The inventory](inventory.md) describes people, domains and hosts.

`make docs` writes this page from the roles' argument specs and the agents' own rules;
`ansible-doc -t role -r roles mta` prints the same descriptions.

A range applies as long as the other settings have their defaults.
"""
FOOT = """## What is fixed

These settings of the agents (`/etc/postroom/AGENT.toml`) are not variables. `postroom config check` knows all of them.

| setting | agents | why it is fixed |
|---|---|---|
"""


def load(path: str) -> Any:
    specification = importlib.util.spec_from_file_location(f"kit_{Path(path).stem}", ROOT / path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def options(role: str) -> dict[str, dict[str, Any]]:
    """Return the variables of a role by name."""
    specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())
    found: dict[str, dict[str, Any]] = specs["argument_specs"]["main"].get("options", {})
    return found


def config(agent: str) -> Any:
    """Return the class of an agent's settings."""
    return getattr(importlib.import_module(f"postroom.{agent}.config"), f"{agent.capitalize()}Config")


def settings(kind: Any, prefix: str = "") -> Iterator[str]:
    """Yield the names of all settings; those of a nested struct are joined by `_`, as in the variables."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from settings(field.type, f"{prefix}{field.name}_")
        else:
            yield f"{prefix}{field.name}"


def reason(agent: str, setting: str) -> str | None:
    """Return why the setting is fixed, or None if it is not."""
    return FIXED.get(f"{agent}.{setting}", FIXED.get(setting))


def page() -> str:
    """Return the whole page."""
    return (
        "\n".join(
            [
                HEAD,
                *(line for role in (*AGENTS, *OTHERS) for line in section(role)),
                FOOT + "\n".join(fixed()),
            ]
        )
        + "\n"
    )


def section(role: str) -> Iterator[str]:
    specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"][
        "main"
    ]
    wired = yaml.safe_load((ROOT / "playbooks/wiring.yml").read_text())
    yield f"## {role}"
    yield ""
    yield f"{specs['short_description'].rstrip('.')}."
    yield ""
    yield "| variable | default | values | meaning |"
    yield "|---|---|---|---|"
    for name, spec in options(role).items():
        if name not in wired:
            yield f"| `{name}` | `{shown(spec['default'])}` | {values(name, spec)} | {meaning(spec['description'])} |"
    yield ""


def meaning(description: str | list[str]) -> str:
    """Return the description, one paragraph or several, in Markdown; `C(...)` is how Ansible marks code."""
    text = description if isinstance(description, str) else " ".join(description)
    return re.sub(r"C\(([^)]*)\)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value) or '""'


JUDGE = load("plugins/filter/setting_faults.py")
SPECS = {name: spec for role in (*AGENTS, *OTHERS) for name, spec in options(role).items()}


def accepts(name: str, value: Any) -> bool:
    """Tell whether preflight accepts the value: its type, its form, and the agent's own range."""
    return not list(JUDGE.host_faults({name: value}, SPECS, {}, AGENTS))


def values(name: str, spec: Mapping[str, Any]) -> str:
    """Describe the accepted values, found by trying."""
    if "choices" in spec:
        return ", ".join(f"`{choice}`" if choice else '`""`' for choice in spec["choices"])
    if spec["type"] in ("int", "float"):
        return span(spec["default"], lambda value: accepts(name, value), spec["type"])
    if spec["type"] == "bool":
        return "`true`, `false`"
    form = next((words for pattern, words, _ in JUDGE.FORMS if re.fullmatch(pattern, name)), "text")
    if name.endswith("address_families"):
        form = "`ipv4`, `ipv6`"
    return f"a list: {form}" if spec["type"] == "list" else form


def span(default: float, accepted: Callable[[Any], bool], kind: str) -> str:
    least, most = bound(default, accepted, down=True), bound(default, accepted, down=False)
    if kind == "float" and least == 1 and accepted(0.001):
        return "above 0" if most is None else f"above 0, at most {most:,}"
    first = "0.1" if kind == "float" and least == 1 and accepted(0.1) else f"{least:,}"
    return f"{first} or more" if most is None else f"{first} to {most:,}"


def bound(default: float, accepted: Callable[[Any], bool], *, down: bool) -> int | None:
    """Return the last accepted integer on this side of the default, or None if there is no limit."""
    good, bad = int(default), -1 if down else 10**15
    assert accepted(good)
    assert not down or not accepted(bad)
    if not down and accepted(bad):
        return None
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if accepted(middle) else (good, middle)
    return good


def fixed() -> Iterator[str]:
    for key, why in FIXED.items():
        name = key.rpartition(".")[2]
        agents = [
            agent for agent in AGENTS if name in settings(config(agent)) and key in (name, f"{agent}.{name}")
        ]
        yield f"| `{name}` | {', '.join(agents)} | {why} |"


if __name__ == "__main__":
    if PAGE.exists() and PAGE.read_text() == page():
        sys.exit(0)
    PAGE.write_text(page())
    sys.stderr.write(f"{PAGE} is written\n")
