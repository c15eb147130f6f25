#!/usr/bin/env python3
"""Write the manual page postroom(1) and the completion for bash from the commands. A test compares them.

They are kept below agents/share, and a release carries them. One page holds all commands: one link makes it known to
man, and one search finds everything. The library click-man does not serve here: it finds no commands that a group
imports only when they are needed, and it leaves out exit statuses.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete
from postroom import __version__
from postroom.cli.main import main as postroom

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.commands_page import commands, meaning, options, usage, words  # noqa: E402

PAGE = ROOT / "agents/share/man/man1/postroom.1"
COMPLETION = ROOT / "agents/share/bash-completion/completions/postroom"
STATUS = {
    "0": "Done.",
    "1": "Refused, or not found.",
    "2": "Wrong use.",
    "3": "Something could not be read or written.",
}
FILES = {
    "/etc/postroom": "The agents' settings. The next run of the playbook puts changes by hand back.",
    "/var/lib/postroom": "Directory, mailboxes, password verifiers and spools.",
    "/run/postroom": "The agents' sockets.",
    "/opt/postroom/current": "The release that is in use.",
}


def page() -> str:
    """Return the manual page in the language of man(7)."""
    return "\n".join(
        [
            f'.TH POSTROOM 1 "" "Postroom {__version__}" "Postroom"',
            ".SH NAME",
            rf"postroom \- {text(first(postroom.help or '').rstrip('.').replace('Look', 'look', 1))}",
            ".SH SYNOPSIS",
            r".B postroom",
            r"\fICOMMAND\fP [\fIOPTIONS\fP] [\fIARGUMENTS\fP]",
            ".SH DESCRIPTION",
            text(
                "The operator's command, to be run as root on a mail host. People, aliases and domains are kept in"
            ),
            text(
                "the inventory of the controller: the next run of the playbook undoes what directory apply changed."
            ),
            text("Passwords are changed here. Each command has --help; most have --json, for programs."),
            ".SH COMMANDS",
            *(line for name, command in commands() for line in section(name, command)),
            ".SH EXIT STATUS",
            *listing(STATUS),
            ".SH FILES",
            *listing(FILES),
            ".SH SEE ALSO",
            r".BR journalctl (1),",
            r".BR systemctl (1),",
            r".BR systemd.socket (5)",
            "",
        ]
    )


def section(name: str, command: click.Command) -> Iterator[str]:
    yield f".SS {text(usage(name, command))}"
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        yield text(" ".join(paragraph.replace("\b", "").split()))
    yield from listing({words(option, name, command): meaning(option) for option in options(command)})


def listing(entries: dict[str, str]) -> Iterator[str]:
    for term, explanation in entries.items():
        yield ".TP"
        yield rf"\fB{text(term)}\fP"
        yield text(explanation)


def first(paragraphs: str) -> str:
    return " ".join(paragraphs.split("\n\n", maxsplit=1)[0].split())


def text(words_: str) -> str:
    """Escape the words so that troff prints them unchanged: no control lines, and no hyphen in place of a minus."""
    escaped = words_.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return re.sub(r"^(?=\.)", r"\\&", escaped)


def completion() -> str:
    """Return the completion for bash, which asks the command itself for the candidates."""
    return BashComplete(postroom, {}, "postroom", "_POSTROOM_COMPLETE").source().lstrip("\n")


if __name__ == "__main__":
    for path, content in ((PAGE, page()), (COMPLETION, completion())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        sys.stderr.write(f"{path.relative_to(ROOT)} is written\n")
