"""`postroom`: the operator's command. It imports a group only when it is used, so that each call is quick."""

import importlib
from collections.abc import Mapping
from typing import Final

import click

from postroom import __version__

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {  # name: (module and attribute, text of `--help`)
    "alias": ("postroom.cli.alias:alias", "Show aliases, lists and teams."),
    "config": ("postroom.cli.config:config", "Check the agents' settings."),
    "directory": (
        "postroom.cli.directory:directory",
        "Show or apply domains, people and addresses as one document.",
    ),
    "domain": ("postroom.cli.domain:domain", "Show mail domains."),
    "queue": ("postroom.cli.queue:queue", "Show and change the mail queue."),
    "route": ("postroom.cli.route:route", "Show where mail for an address goes, and why."),
    "sandbox": (
        "postroom.cli.sandbox.command:sandbox",
        "Run whole mail domains on this machine, for trying.",
    ),
    "store": ("postroom.cli.store:store", "Show and check the mailboxes on this host."),
    "user": ("postroom.cli.user:user", "Show people and set their passwords."),
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
        """Write the texts of the table, so that `--help` imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.command(
    cls=Commands,
    epilog="Exits with 0: done, 1: refused or not found, 2: wrong usage, 3: cannot read or write.",
)
@click.version_option(__version__, prog_name="postroom")
def main() -> None:
    """Manage Postroom's mail agents on this host."""
