"""Output of the command: tables for people, plain columns for pipes, JSON for programs; errors in one line."""

import sys
from collections.abc import Sequence
from typing import IO, Any

import click
import msgspec

REFUSED, UNAVAILABLE = 1, 3


class Failure(click.ClickException):
    """An error: one line on stderr, and the exit status."""

    def __init__(self, text: str, exit_code: int = REFUSED) -> None:
        super().__init__(text)
        vars(self)["exit_code"] = exit_code  # click declares it on the class and reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"postroom: {self.message}", file=file or sys.stderr)


def print_json(value: object) -> None:
    """Print one line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a header: with rules on a terminal, elsewhere as columns that grep and awk can read."""
    texts = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, texts)
        return
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    for line in (columns, *texts):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415  # slow to import, and only terminals need it
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print names and values, one per line, without empty values."""
    shown = [(name, text) for name, value in fields if (text := _text(value))]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        click.echo(f"{name.ljust(width)}  {text}")


def _text(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def octets(count: int) -> str:
    """Format a size for people: 2 GiB, 1.5 MiB, 100 B."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.4g} {unit}"
