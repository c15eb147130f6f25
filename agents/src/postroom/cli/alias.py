"""`postroom alias`: addresses that forward to others."""

import click

from postroom.cli import options
from postroom.cli.output import Failure, print_fields, print_json, print_table
from postroom.cli.present import Shared, present, shared
from postroom.directory.schema import AliasRecord, ListRecord, TeamRecord

KINDS = {AliasRecord: "alias", ListRecord: "list", TeamRecord: "team"}


@click.group()
def alias() -> None:
    """Show aliases, lists and teams."""


@alias.command("list")
@click.option("--domain", help="Only of this domain.")
@options.directory_path
@options.as_json
def list_aliases(domain: str | None, directory: str, as_json: bool) -> None:
    """List all addresses that forward to others."""
    found = [each for each in shared(present(directory)) if domain is None or _in(each, domain)]
    if as_json:
        print_json([_plain(each) for each in found])
        return
    rows = [(each.address, KINDS[type(each)], ", ".join(each.members)) for each in found]
    print_table(("ADDRESS", "KIND", "MEMBERS"), rows)


@alias.command("show")
@click.argument("address")
@options.directory_path
@options.as_json
def show(address: str, directory: str, as_json: bool) -> None:
    """Show one alias, list or team."""
    found = next((each for each in shared(present(directory)) if each.address == address.lower()), None)
    if found is None:
        raise Failure(f"{address} is no alias, list or team: `postroom alias list` shows all")
    if as_json:
        print_json(_plain(found))
        return
    print_fields([
        ("address", found.address),
        ("kind", KINDS[type(found)]),
        ("name", getattr(found, "name", "")),
        ("members", found.members),
        ("owner", getattr(found, "owner", "")),
    ])  # fmt: skip


def _in(each: Shared, domain: str) -> bool:
    return each.address.rpartition("@")[2] == domain.lower()


def _plain(each: Shared) -> dict[str, object]:
    return {
        "address": each.address,
        "kind": KINDS[type(each)],
        "name": getattr(each, "name", ""),
        "members": each.members,
        "owner": getattr(each, "owner", ""),
    }
