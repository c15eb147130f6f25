#!/usr/bin/env python3
"""Write docs/reference/commands.md from the commands themselves. A test compares the two."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from postroom.cli.main import main as postroom

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference/commands.md"
HEAD = """# Commands

Run these commands on a mail host, as root. `make docs` writes this page from the commands' own `--help`. On the host,
`man postroom` shows the same, and Tab completes commands and options in bash if the package `bash-completion` is
installed.

`postroom` exits with 0: done, 1: refused or not found, 2: wrong usage, 3: cannot read or write. `--json` is for
programs: it prints one object per line for messages of the queue, and one document otherwise. The texts for people may
change, this format does not.

For local programs there are `sendmail`, `mailq` and `newaliases`, with the usual options of sendmail (`-t -i -f -F`).
Each agent is a command, too: `postroom-mta --check-config FILE` checks a settings file and exits,
`postroom-mta --version` prints the release. They are in `/opt/postroom/current/bin`.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(line for name, command in commands() for line in section(name, command))])


def commands(
    command: click.Command = postroom, name: str = "postroom"
) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that is not a group, with its full name, sorted by name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command, info_name=name)
    for word in command.list_commands(context):
        found = command.get_command(context, word)
        assert found is not None
        yield from commands(found, f"{name} {word}")


def section(name: str, command: click.Command) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"`{usage(name, command)}`"
    yield ""
    yield from paragraphs(command.help or "")
    if options(command):
        yield "| option | meaning |"
        yield "|---|---|"
        for option in options(command):
            yield f"| `{cell(words(option, name, command))}` | {cell(meaning(option))} |"
        yield ""


def usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    return " ".join([name, "[OPTIONS]", *(argument.make_metavar(context) for argument in arguments)])


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.replace("\b", "").split())
        yield ""


def words(option: click.Option, name: str, command: click.Command) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return (
        names if option.is_flag else f"{names} {option.make_metavar(click.Context(command, info_name=name))}"
    )


def meaning(option: click.Option) -> str:
    help_text = " ".join((option.help or "").split())
    shown = option.show_default
    return (
        f"{help_text} (default: {shown if isinstance(shown, str) else option.default})"
        if shown
        else help_text
    )


def cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stderr.write(f"{PAGE.relative_to(ROOT)} is written\n")
