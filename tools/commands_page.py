#!/usr/bin/env python3
"""Write docs/reference/commands.md out of the commands themselves. A test sees that it was done."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from postroom.cli.main import main as postroom

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/commands.md"
HEAD = """# Commands

On a mail host, as root. This page is written by `tools/commands_page.py` out of the commands' own `--help`.

`postroom` ends with 0: done, 1: refused or not found, 2: wrong use, 3: cannot read or write. `--json` is for programs:
one object per line for messages of the queue, else one document. Words for people may change, these do not.

Besides it there are `sendmail`, `mailq` and `newaliases` for local programs, which behave as every sendmail does
(`-t -i -f -F`), and each agent itself: `postroom-mta --check-config FILE` judges a settings file and ends,
`postroom-mta --version` says which release it is. They are in `/opt/postroom/current/bin`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *lines(postroom, "postroom")])


def lines(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            assert found is not None
            yield from lines(found, f"{name} {word}")
        return
    yield f"## {name}"
    yield ""
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    context = click.Context(command, info_name=name)
    yield f"`{' '.join([name, '[OPTIONS]', *(argument.make_metavar(context) for argument in arguments)])}`"
    yield ""
    yield from paragraphs(command.help or "")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        yield "| option | meaning |"
        yield "|---|---|"
        for option in options:
            yield f"| `{words(option, context)}` | {meaning(option)} |"
        yield ""


def paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.replace("\b", "").split())
        yield ""


def words(option: click.Option, context: click.Context) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.make_metavar(context)}".replace("|", "\\|")


def meaning(option: click.Option) -> str:
    help_text = " ".join((option.help or "").split()).replace("|", "\\|")
    shown = option.show_default
    return (
        f"{help_text} (default: {shown if isinstance(shown, str) else option.default})"
        if shown
        else help_text
    )


if __name__ == "__main__":
    if PAGE.exists() and PAGE.read_text() == page():
        sys.exit(0)
    PAGE.write_text(page())
    sys.stderr.write(f"{PAGE} is written\n")
