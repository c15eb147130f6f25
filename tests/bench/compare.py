"""`make bench`: Postroom beside Postfix and Dovecot from Debian, in one run, on one file system, all of it durable.

    python tests/bench/compare.py [--rounds 3] [--json build/bench.json] [--only WORDS]

Runs are interleaved (ours, theirs, ours, theirs), figures are medians, ratios are medians of the ratios of neighbours.
Ratios above 1 mean that Postroom is faster; for memory, that it stays below its goal.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import debian
import load
import memory
from load import Load, Measured
from ours import postroom
from processes import Running

Side = tuple[Running, Callable[[], int]]
Row = dict[str, Any]

ACCOUNTS = [f"user{number}" for number in range(100)]
CHAIN = ("mda", "relay", "mta")
ACCEPTING = (
    Load("smtp_accept_4k_new_connections", 3000, 4096),
    Load("smtp_accept_4k_kept_connections", 5000, 4096, kept=True),
    Load("smtp_accept_50k_new_connections", 1500, 51_200),
    Load("smtp_accept_50k_kept_connections", 1500, 51_200, kept=True),
)
DELIVERING = (
    Load("accepted_to_mailbox_4k", 3000, 4096, delivered=True),
    Load("accepted_to_mailbox_50k", 1500, 51_200, delivered=True),
)
VERIFYING = Load("smtp_accept_4k_new_connections_spf_dkim_dmarc_checked", 2000, 4096)


class Bench(NamedTuple):
    """Where it runs, and how often. Folders stay to the end: ext4 is slow where much was freed just before."""

    base: Path
    rounds: int

    def folders(self, part: str) -> tuple[Path, Path]:
        """One for each side, on the same file system."""
        ours, theirs = self.base / part / "ours", self.base / part / "theirs"
        theirs.mkdir(parents=True)
        self.base.chmod(0o755)  # Postfix's own user goes through it
        return ours, theirs


def accepting(bench: Bench) -> Iterator[Row]:
    """What is accepted stays in the spool or the hold queue."""
    names = ACCOUNTS[:1]
    ours, theirs = bench.folders("accept")
    with (
        postroom(ours, names, ("mta",)) as mine,
        debian.postfix(theirs, names, held=True) as other,
    ):
        sides = (mine, lambda: load.in_spool(ours)), (other, lambda: load.held_by_postfix(theirs))
        yield from compared(sides, ACCEPTING, names, bench.rounds, "postfix")


def delivering(bench: Bench) -> Iterator[Row]:
    """From the first connection until the last message is in its mailbox."""
    ours, theirs = bench.folders("mailbox")
    with (
        postroom(ours, ACCOUNTS, CHAIN) as mine,
        debian.postfix_and_dovecot(theirs, ACCOUNTS) as other,
    ):
        sides = (mine, load.Mailboxes(ours)), (other, load.Maildirs(theirs))
        yield from compared(sides, DELIVERING, ACCOUNTS, bench.rounds, "postfix_dovecot")


def verifying(bench: Bench) -> Iterator[Row]:
    """With the checks of senders that Postroom makes by default and Postfix alone does not make at all.

    All mail is from one domain, so its records are asked for about once a minute.
    """
    names, changes = ACCOUNTS[:1], [("mta", "verify_authentication", True)]
    ours, theirs = bench.folders("checked")
    with (
        memory.name_server() as resolver,
        postroom(ours, names, ("mta",), resolver=resolver, changes=changes) as mine,
        debian.postfix(theirs, names, held=True) as other,
    ):
        sides = (mine, lambda: load.in_spool(ours)), (other, lambda: load.held_by_postfix(theirs))
        yield from compared(sides, (VERIFYING,), names, bench.rounds, "postfix")


def compared(
    sides: tuple[Side, Side], loads: Sequence[Load], names: Sequence[str], rounds: int, other: str
) -> Iterator[Row]:
    """One row per load."""
    for server, arrived in sides:
        load.measure(server, loads[0]._replace(name="warm-up", messages=2 * len(names) + 100), names, arrived)
    for one in loads:
        pairs = [
            tuple(load.measure(server, one, names, arrived) for server, arrived in sides)
            for _ in range(rounds)
        ]
        yield row(one.name, pairs, other)


def row(name: str, pairs: Sequence[tuple[Measured, ...]], other: str) -> Row:
    """Medians over the rounds; `spread` is the lowest and the highest ratio."""
    mine, theirs = zip(*pairs, strict=True)
    ratios = sorted(ours.rate / their.rate for ours, their in pairs)
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "spread": [round(ratios[0], 3), round(ratios[-1], 3)],
        "unit": "messages/s",
        "postroom": round(statistics.median(one.rate for one in mine), 1),
        other: round(statistics.median(one.rate for one in theirs), 1),
        "postroom_cpu_seconds_per_1000": round(statistics.median(one.processor for one in mine), 3),
        f"{other}_cpu_seconds_per_1000": round(statistics.median(one.processor for one in theirs), 3),
    }


def line(one: Row) -> str:
    """A row of the printed table."""
    figures = [
        value for key, value in one.items() if key in ("postroom", "postfix", "postfix_dovecot", "goal")
    ]
    processor = [value for key, value in one.items() if key.endswith("_per_1000")]
    cells = "".join(f"{figure:>12.1f}" for figure in figures) + "".join(
        f"{used:>12.2f}" for used in processor
    )
    return f"{one['name']:<55}{one['ratio']:>7.2f}{cells}"


def resting(bench: Bench) -> Iterator[Row]:
    """All seven agents after one message."""
    yield memory.idle(bench.base / "memory")


PARTS = {"accept": accepting, "mailbox": delivering, "checked": verifying, "memory": resting}


def main() -> None:
    """The table on stdout and the file."""
    parser = argparse.ArgumentParser(description="Postroom beside Postfix and Dovecot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=debian.BUILD.parent / "bench.json")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    debian.demand()
    debian.unpack()
    print(
        f"{'':<55}{'ratio':>7}{'Postroom':>12}{'the other':>12}{'CPU s/1000':>12}{'the other':>12}",
        flush=True,
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=debian.BUILD) as base:
        for part in options.only:
            for one in PARTS[part](Bench(Path(base), options.rounds)):
                rows.append(one)
                print(line(one), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"written to {options.json}", file=sys.stderr)


if __name__ == "__main__":
    main()
