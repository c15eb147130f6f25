"""`postroom`: the operator's command. Groups are imported when they are asked for, so that each call is quick."""

import importlib
from collections.abc import Mapping
from typing import Final

import click

from postroom import __version__

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {  # name: where it lives, what `--help` says
    "alias": ("postroom.cli.alias:alias", "Aliases, lists and teams."),
    "config": ("postroom.cli.config:config", "Settings of the agents."),
    "directory": ("postroom.cli.directory:directory", "Domains, people and addresses as one document."),
    "domain": ("postroom.cli.domain:domain", "Mail domains."),
    "queue": ("postroom.cli.queue:queue", "Mail on its way out."),
    "route": ("postroom.cli.route:route", "Where mail for an address goes, and why."),
    "sandbox": ("postroom.cli.sandbox.command:sandbox", "Whole mail domains on this machine, for trying."),
    "store": ("postroom.cli.store:store", "Mailboxes on this host."),
    "user": ("postroom.cli.user:user", "People and their passwords."),
}


class Commands(click.Group):
    """Looks a command up in the table and imports it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's words: nothing is imported for `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.command(
    cls=Commands, epilog="Ends with 0: done, 1: refused or not found, 2: wrong use, 3: cannot read or write."
)
@click.version_option(__version__, prog_name="postroom")
def main() -> None:
    """Look after Postroom's mail agents on this host."""
