"""`postroom domain`: mail domains."""

import click

from postroom.cli import options
from postroom.cli.output import Failure, print_fields, print_json, print_table
from postroom.cli.present import present, shared
from postroom.directory.schema import AccountState


@click.group()
def domain() -> None:
    """Show mail domains."""


@domain.command("list")
@options.directory_path
@options.as_json
def list_domains(directory: str, as_json: bool) -> None:
    """List all our domains."""
    found = present(directory).domains
    if as_json:
        print_json(found)
        return
    rows = [(each.name, each.home, each.alias_of or "-", ", ".join(each.catch_all) or "-") for each in found]
    print_table(("DOMAIN", "HOME", "ALIAS OF", "CATCH-ALL"), rows)


@domain.command("show")
@click.argument("name")
@options.directory_path
@options.as_json
def show(name: str, directory: str, as_json: bool) -> None:
    """Show one domain, with the number of its accounts and aliases."""
    document = present(directory)
    found = next((each for each in document.domains if each.name == name.lower()), None)
    if found is None:
        raise Failure(f"{name} is not ours: `postroom domain list` shows all")
    living = [each.address for each in document.accounts if each.state is not AccountState.DELETED]
    others = [each.address for each in shared(document)]
    inside = [sum(address.endswith(f"@{found.name}") for address in some) for some in (living, others)]
    if as_json:
        print_json({"domain": found, "accounts": inside[0], "aliases": inside[1]})
        return
    print_fields([
        ("domain", found.name),
        ("home", found.home),
        ("alias of", found.alias_of),
        ("catch-all", found.catch_all),
        ("separator", found.separator or "none: no subaddresses"),
        ("DKIM selectors", found.selectors),
        ("accounts", inside[0]),
        ("aliases, lists, teams", inside[1]),
    ])  # fmt: skip
