#!/usr/bin/env python3
"""Write the first inventory of a company, as `make inventory` does with the arguments in USAGE.

It never overwrites one. What it writes passes playbooks/preflight.yml as it is.
"""

import argparse
import importlib.util
import ipaddress
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jinja2
import yaml

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).resolve().parent / "inventory"
CHANGES = ROOT / "playbooks/vars/changes.yml"
USAGE = "make inventory NAME=acme DOMAIN=acme.org HOST=mail.acme.org IPV4=192.0.2.25"
GROUP = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
# Ansible's own groups, and those that the playbooks use.
TAKEN = {
    "all",
    "ungrouped",
    "mail_hosts",
    "name_servers",
    "mx_hosts",
    "submission_hosts",
    "mailbox_hosts",
    "postroom",
}


def main() -> int:
    """Write the inventory, or print every problem with its remedy and return 2."""
    words = arguments()
    folder = Path(words.folder) / (words.name or "")
    found = list(problems(words))
    if words.name and not found and folder.exists():
        found.append(
            f"NAME={words.name}: {shown(folder)} exists and stays as it is: choose another name, or remove it"
        )
    if found:
        sys.stderr.write("".join(f"{line}\n" for line in found))
        return 2
    write(folder, words)
    print(
        f"{shown(folder)} is written: hosts.yml and group_vars/{words.name}.yml. Next, add your people and check it:"
    )
    print(f"  ansible-playbook -i {shown(folder)} playbooks/preflight.yml")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write the first inventory of a company.")
    for name, meaning in {
        "name": "short name of the company, and of its folder and group",
        "domain": "its mail domain",
        "host": "full name of its mail host",
        "ipv4": "public IPv4 address of the host",
        "ipv6": "public IPv6 address of the host",
        "title": "the company's name for people to read",
        "admin": "key of the first person, who receives the administrator's mail",
    }.items():
        parser.add_argument(f"--{name}", default="", help=meaning)
    parser.add_argument("--folder", default=str(ROOT / "inventory"), help="where inventories are kept")
    return parser.parse_args()


def problems(words: argparse.Namespace) -> Iterator[str]:
    """Return a sentence for each missing or unusable value: argument, value, and what would be right."""
    kit = load_rules()
    for argument in ("name", "domain", "host"):
        if not getattr(words, argument):
            yield f"{argument.upper()} is missing: {USAGE}"
    if words.name and (not GROUP.match(words.name) or words.name in TAKEN):
        yield (
            f"NAME={words.name}: use a short name of lower-case letters, digits and _, such as acme"
            if words.name not in TAKEN
            else f"NAME={words.name} is a group of the kit: use the company's name, such as acme"
        )
    for argument, example in (("domain", "acme.org"), ("host", "mail.acme.org")):
        value = getattr(words, argument)
        if value and not kit.HOST_NAME.match(value):
            yield (
                f"{argument.upper()}={value}: write the full name in lower case and in ASCII "
                f"(xn-- for other letters), such as {example}"
            )
    if not words.ipv4 and not words.ipv6:
        yield f"IPV4 and IPV6 are missing: give the public address of the host: {USAGE}"
    yield from address_problems("IPV4", words.ipv4, 4)
    yield from address_problems("IPV6", words.ipv6, 6)
    if words.admin and not kit.PERSON_ID.match(words.admin):
        yield f"ADMIN={words.admin}: use lower-case letters, digits, - and _, such as ada"
    if not words.title.isprintable():
        yield f"TITLE={words.title!r}: write it in one line of printable characters"


def address_problems(argument: str, value: str, version: int) -> Iterator[str]:
    if not value:
        return
    example = "192.0.2.25" if version == 4 else "2001:db8::25"
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        address = None
    if address is None or address.version != version:
        yield f"{argument}={value}: write one IPv{version} address, such as {example}"
    elif address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        yield f"{argument}={value}: write the address under which other servers reach the host, such as {example}"


def write(folder: Path, words: argparse.Namespace) -> None:
    """Write all files, then rename the folder, so that an interrupted run leaves no partial inventory."""
    person = words.admin or "admin"
    values = {
        **vars(words),
        "title": words.title or words.name.replace("_", " ").title(),
        "person": person,
        "newest": yaml.safe_load(CHANGES.read_text())["postroom_changes"][-1]["version"],
        "person_name": words.admin.replace("_", " ").title() or "Administrator",
    }
    environment = jinja2.Environment(  # noqa: S701 -- YAML of checked values
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters["scalar"] = scalar
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as place:
        draft = Path(place) / "inventory"
        (draft / "group_vars/postroom").mkdir(parents=True)
        for template, target in {
            "hosts.yml.j2": "hosts.yml",
            "group_vars/site.yml.j2": "group_vars/postroom/site.yml",
            "group_vars/company.yml.j2": f"group_vars/{words.name}.yml",
        }.items():
            (draft / target).write_text(environment.get_template(template).render(values))
        os.rename(draft, folder)


def scalar(text: str) -> str:
    """Return the text so that YAML reads it back unchanged; quote it only if needed, as for `no`."""
    try:
        plain = yaml.safe_load(text) == text
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def shown(folder: Path) -> str:
    """Return the folder's path relative to the project's folder."""
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder)


def load_rules() -> ModuleType:
    """Import the code with which preflight checks names."""
    path = ROOT / "plugins/filter/problems.py"
    specification = importlib.util.spec_from_file_location("problems", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
