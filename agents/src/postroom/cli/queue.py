"""`postroom queue`: show and change the mail queue."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from postroom.cli import options
from postroom.cli.output import UNAVAILABLE, Failure, octets, print_fields, print_json, print_table
from postroom.contracts.errors import MailError
from postroom.contracts.queueadmin import QueueAction, QueuedDelivery, QueueEntry, Selection
from postroom.queue.admin import open_admin

F = TypeVar("F", bound=Callable[..., Any])
AT_ONCE = 500  # messages changed between two steps of the progress bar
ROOT = "/var/lib/postroom/spool"
RUN = "/run/postroom"

_root = click.option(
    "--spools", "root", envvar="POSTROOM_SPOOLS", default=lambda: options.rooted(ROOT), show_default=ROOT,
    type=click.Path(), help="The folder that contains all spools.",
)  # fmt: skip
_run_directory = click.option(
    "--run-directory", envvar="POSTROOM_RUN", default=lambda: options.rooted(RUN), show_default=RUN,
    type=click.Path(), help="Where relays listen for notices.",
)  # fmt: skip


def _selected(function: F) -> F:
    """Add the options that select messages."""
    for option in (
        click.option(
            "--destination", default="", help="Bound for this domain or host; `*` matches anything."
        ),
        click.option("--recipient", default="", help="To this address; `*` matches anything."),
        click.option("--sender", help='From this envelope sender ("" for bounces); `*` matches anything.'),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        function = option(function)
    return function


@click.group()
def queue() -> None:
    """Show and change the mail queue."""


@queue.command("list")
@_selected
@_root
@options.as_json
def list_messages(  # noqa: PLR0913, PLR0917
    ids: tuple[str, ...], sender: str | None, recipient: str, destination: str, root: str, as_json: bool
) -> None:
    """List the messages in the queue. With --json, print one line for each, as `postqueue -j` does."""
    now = time.time()
    rows: list[tuple[object, ...]] = []
    count = size = 0
    for entry in _entries(root, Selection(ids, sender, recipient, destination)):
        count, size = count + 1, size + entry.size
        if as_json:
            print_json(_record(entry, now))
        else:
            rows += _lines(entry, now)
    if as_json:
        return
    if rows:
        print_table(("ID", "STATE", "AGE", "SIZE", "SENDER", "RECIPIENT", "NEXT", "REASON"), rows)
    click.echo(f"{count} messages, {octets(size)}" if count else "Mail queue is empty")


@queue.command("show")
@click.argument("identity", metavar="ID")
@click.option("--content", "with_content", is_flag=True, help="Print the message itself.")
@_root
@options.as_json
def show(identity: str, with_content: bool, root: str, as_json: bool) -> None:
    """Show one message: where it goes, the servers' replies, and when it is tried again."""
    now = time.time()
    entry = next(_entries(root, Selection((identity,))), None)
    if entry is None:
        raise Failure(f"no message {identity} in the queue: delivered, deleted or never here")
    if with_content:
        with _failures():
            for chunk in open_admin(root).content(entry).chunks():
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(_record(entry, now))
    else:
        _explain(entry, now)


def _explain(entry: QueueEntry, now: float) -> None:
    print_fields(
        [
            ("id", entry.id),
            ("state", entry.state(now)),
            ("arrived", f"{_date(entry.arrived)} ({_age(now - entry.arrived)} ago)"),
            ("sender", f"<{entry.sender}>"),
            ("origin", entry.origin),
            ("size", octets(entry.size)),
            ("message id", entry.message_id),
            ("client", entry.client),
            ("account", entry.account),
            ("spool", entry.location),
        ]
    )
    for row in entry.recipients:
        click.echo("")
        print_fields(
            [
                ("recipient", f"<{row.address}>"),
                ("original", f"<{row.original}>" if row.original and row.original != row.address else ""),
                ("goes to", f"{row.destination} ({row.hop})"),
                ("attempts", f"{row.attempts}" + (f", the last at {_date(row.tried)}" if row.tried else "")),
                ("said by", row.host if row.host != "none" else ""),
                ("reason", row.reply),
                ("next attempt", _next(row, now)),
            ]
        )


def _change(  # noqa: PLR0913, PLR0917
    what: QueueAction, selection: Selection, everything: bool, root: str, run_directory: str, as_json: bool
) -> None:
    if selection == Selection() and not everything:
        raise click.UsageError("say which messages: ids, --sender, --recipient, --destination, or --all")
    if selection != Selection() and everything:
        raise click.UsageError("--all goes with nothing else")
    found = list(_entries(root, selection))
    if selection.ids and (missing := set(selection.ids) - {entry.id for entry in found}):
        raise Failure(f"not in the queue: {', '.join(sorted(missing))}")
    done = 0
    admin = open_admin(root, run_directory)
    with _failures(), _progress(what, len(found)) as advance:
        for start in range(0, len(found), AT_ONCE):
            part = found[start : start + AT_ONCE]
            done += admin.change(part, what)
            advance(len(part))
    if as_json:
        print_json({"change": what.value, "messages": len(found), "recipients": done})
    else:
        click.echo(f"{what.value}: {done} recipients of {len(found)} messages")


@contextmanager
def _progress(what: QueueAction, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal if it may take a while."""
    if total <= AT_ONCE or not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=total, label=what.value, file=sys.stderr) as bar:
        yield bar.update


def _register(what: QueueAction, help_text: str) -> None:
    @queue.command(what.value, help=help_text)
    @_selected
    @click.option("--all", "everything", is_flag=True, help="Every message in the queue.")
    @_root
    @_run_directory
    @options.as_json
    def command(  # noqa: PLR0913, PLR0917
        ids: tuple[str, ...],
        sender: str | None,
        recipient: str,
        destination: str,
        everything: bool,
        root: str,
        run_directory: str,
        as_json: bool,
        yes: bool = True,
    ) -> None:
        selection = Selection(ids, sender, recipient, destination)
        if what is QueueAction.DELETE and everything and selection == Selection() and not yes:
            click.confirm("Delete every message in the queue for good?", abort=True, err=True)
        _change(what, selection, everything, root, run_directory, as_json)

    if what is QueueAction.DELETE:
        click.option("--yes", is_flag=True, help="Do not ask before --all.")(command)


_register(QueueAction.RETRY, "Try messages now, even if their destinations have failed recently.")
_register(QueueAction.HOLD, "Hold messages until they are released.")
_register(QueueAction.RELEASE, "Release held messages.")
_register(QueueAction.DELETE, "Remove messages for good, without a report to their senders.")


def _entries(root: str, selection: Selection) -> Iterator[QueueEntry]:
    with _failures():
        yield from open_admin(root).entries(selection)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (MailError, OSError) as error:
        raise Failure(f"queue: {error}", UNAVAILABLE) from error


def _record(entry: QueueEntry, now: float) -> dict[str, Any]:
    return {
        "queue_name": entry.state(now),
        "queue_id": entry.id,
        "arrival_time": int(entry.arrived),
        "message_size": entry.size,
        "forced_expire": False,
        "sender": entry.sender,
        "recipients": [_recipient(row) for row in entry.recipients],
        "message_id": entry.message_id,
        "origin": entry.origin,
        "client": entry.client,
        "account": entry.account,
        "spool": entry.location,
    }


def _recipient(row: QueuedDelivery) -> dict[str, Any]:
    record: dict[str, Any] = {"address": row.address}
    if row.reply:
        record["delay_reason"] = row.reply
    return record | {
        "original": row.original,
        "hop": row.hop,
        "destination": row.destination,
        "host": row.host,
        "status": row.status,
        "attempts": row.attempts,
        "last_attempt": row.tried or None,
        "next_attempt": row.due,
    }


def _lines(entry: QueueEntry, now: float) -> Sequence[tuple[object, ...]]:
    facts = (entry.id, entry.state(now), _age(now - entry.arrived), octets(entry.size), f"<{entry.sender}>")
    return [
        (*(facts if not index else ("", "", "", "", "")), row.address, _next(row, now), row.reply[:80])
        for index, row in enumerate(entry.recipients)
    ]


def _next(row: QueuedDelivery, now: float) -> str:
    if row.due is None:
        return "held"
    if row.claimed and row.due > now:
        return "under way"
    return "now" if row.due <= now else f"in {_age(row.due - now)}"


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
