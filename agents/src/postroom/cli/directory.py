"""`postroom directory`: the whole directory as one document."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from postroom.cli import options
from postroom.cli.output import UNAVAILABLE, Failure, print_json
from postroom.cli.present import present
from postroom.contracts.errors import Unavailable
from postroom.directory.plan import Change
from postroom.directory.problems import DirectoryRefused, Problem
from postroom.directory.reading import read_document


@click.group()
def directory() -> None:
    """Show or apply domains, people and addresses as one document."""


@directory.command("show")
@options.directory_path
def show(directory: str) -> None:
    """Print the present document, in the form that `apply` takes. It contains no passwords."""
    click.echo(msgspec.json.format(msgspec.json.encode(present(directory)), indent=2).decode())


@directory.command("apply")
@click.argument("file", type=click.Path())
@click.option("--check", is_flag=True, help="Say what would change; change nothing.")
@click.option("--diff", is_flag=True, help="Say what changes, one line for each object.")
@options.directory_path
@options.secrets_path
@options.accounts_directory
@options.auth_config
@options.as_json
def apply(file: str, check: bool, diff: bool, as_json: bool, **paths: str) -> None:
    """Make the JSON document in FILE (- is standard input) the directory.

    It is applied as a whole: a document with a fault changes nothing. Accounts that it does not name are disabled and
    kept; an account is deleted, with its mail, only if the document says "state": "deleted".
    """
    try:
        wanted = read_document(_read(file))
    except DirectoryRefused as refused:
        _refuse(refused.problems, as_json)
    from postroom.cli.applying import Applying, Paths  # noqa: PLC0415  # hashing is slow to import

    try:
        changes = Applying(Paths(**paths)).run(wanted, check)
    except Unavailable as error:
        raise Failure(str(error), UNAVAILABLE) from error
    _report(changes, check, diff, as_json)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}", UNAVAILABLE) from error


def _refuse(problems: Sequence[Problem], as_json: bool) -> None:
    if as_json:
        print_json({"changed": False, "changes": [], "problems": [problem._asdict() for problem in problems]})
    for problem in problems:
        click.echo(f"{problem}", err=True)
    raise Failure(f"nothing was changed: {len(problems)} fault{'s' * (len(problems) > 1)} in the document")


def _report(changes: Sequence[Change], check: bool, diff: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "changed": bool(changes),
                "checked": check,
                "changes": list(map(_plain, changes)),
                "problems": [],
            }
        )
    elif diff and changes:
        for change in changes:
            click.echo(str(change))
    elif changes:
        counts = Counter(f"{change.kind} {change.action}" for change in changes)
        said = ", ".join(f"{count} x {what}" for what, count in sorted(counts.items()))
        click.echo(f"would change: {said}" if check else f"changed: {said}")
    else:
        click.echo("no changes")


def _plain(change: Change) -> dict[str, object]:
    fields = {name: {"old": old, "new": new} for name, (old, new) in change.fields.items()}
    return {
        "kind": change.kind,
        "key": change.key,
        "action": change.action,
        "fields": fields,
        "text": str(change),
    }
