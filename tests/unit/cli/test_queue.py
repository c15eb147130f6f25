"""`postroom queue` on spool files, without any agent."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from postroom.cli.queue import queue
from postroom.contracts.outbox import Outcome, Wanted
from postroom.contracts.queue import Origin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.reader import SpoolReader

from ...relay_site import CLOCK, fail, mailbox, message, put, world

HEAD = b"Subject: x\r\n\r\n"


@pytest.fixture
def ids(tmp_path: Path) -> list[str]:
    """Three messages in two spools: to b.example (deferred), to c.example, from the null sender to a mailbox."""

    async def fill() -> list[str]:
        spools = [
            Spool(f"{tmp_path}/{name}", 1, CLOCK, fail, run_directory=str(tmp_path))
            for name in ("mta", "msa")
        ]
        for spool in spools:
            spool.open()
        found = [await put(spools[0], message(world("bob@b.example"), size=20), HEAD, b"text\r\n")]
        reader = SpoolReader(spools[0].path, "relay")
        (claim,) = reader.turnover([], Wanted(10), time.time(), time.time() + 60)
        later = Outcome(0, time.time() + 3600, "mx.b.example", "4.7.1", "451 4.7.1 greylisted")
        reader.turnover([(claim.handle.seq, later)], Wanted(0), time.time(), 0)
        found.append(await put(spools[1], message(world("eve@c.example"), size=20), HEAD, b""))
        bounce = message(mailbox(1), sender="", origin=Origin.REPORT)
        found.append(await put(spools[1], bounce, HEAD, b""))
        for spool in spools:
            await spool.close()
        return found

    return asyncio.run(fill())


def run(root: Path, *arguments: str, command: str = "list") -> Result:
    return CliRunner().invoke(queue, [command, "--spools", str(root), *arguments], prog_name="queue")


def listed(root: Path, *arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(root, "--json", *arguments).output.splitlines()]


def test_json_lines_have_the_fields_of_postqueue(tmp_path: Path, ids: list[str]) -> None:
    entries = {entry["queue_id"]: entry for entry in listed(tmp_path)}
    assert set(entries) == set(ids)
    first = entries[ids[0]]
    assert (first["queue_name"], first["sender"], first["message_size"]) == (
        "deferred",
        "ada@alpha.example",
        20,
    )
    (recipient,) = first["recipients"]  # type: ignore[misc]
    assert recipient["address"] == "bob@b.example"
    assert recipient["delay_reason"] == "451 4.7.1 greylisted"
    assert entries[ids[1]]["queue_name"] == "incoming"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--sender", ""], [2]),
        (["--sender", "ada@*"], [0, 1]),
        (["--recipient", "eve@c.example"], [1]),
        (["--destination", "*.example"], [0, 1, 2]),
        (["--destination", "b.example", "--sender", "x@y.example"], []),
        (["--recipient", "[ab]ob@*"], []),
    ],
)
def test_messages_are_chosen(tmp_path: Path, ids: list[str], arguments: list[str], wanted: list[int]) -> None:
    assert {entry["queue_id"] for entry in listed(tmp_path, *arguments)} == {ids[number] for number in wanted}


def test_people_read_a_table_and_the_reason(tmp_path: Path, ids: list[str]) -> None:
    table = run(tmp_path).output
    assert "greylisted" in table
    assert "3 messages" in table
    text = run(tmp_path, ids[0], command="show").output
    assert "451 4.7.1 greylisted" in text
    assert "next attempt  in 60 min" in text
    assert run(tmp_path, ids[0], "--content", command="show").stdout_bytes == HEAD + b"text\r\n"


@pytest.mark.parametrize("command", ["retry", "hold", "release", "delete"])
def test_nothing_is_changed_without_a_choice(tmp_path: Path, ids: list[str], command: str) -> None:
    assert run(tmp_path, command=command).exit_code == 2
    assert run(tmp_path, "--all", ids[0], command=command).exit_code == 2
    assert len(listed(tmp_path)) == 3


def test_deleting_everything_asks(tmp_path: Path, ids: list[str]) -> None:
    assert run(tmp_path, "--all", command="delete").exit_code == 1
    assert len(listed(tmp_path)) == 3
    result = run(tmp_path, "--all", "--yes", "--json", command="delete")
    assert json.loads(result.stdout) == {"change": "delete", "messages": 3, "recipients": 3}
    assert listed(tmp_path) == []
    assert run(tmp_path).output == "Mail queue is empty\n"


def test_holding_and_releasing(tmp_path: Path, ids: list[str]) -> None:
    run(tmp_path, ids[1], command="hold")
    assert [entry["queue_name"] for entry in listed(tmp_path, ids[1])] == ["hold"]
    run(tmp_path, ids[1], command="retry")
    assert [entry["queue_name"] for entry in listed(tmp_path, ids[1])] == ["hold"]
    run(tmp_path, ids[1], command="release")
    assert [entry["queue_name"] for entry in listed(tmp_path, ids[1])] == ["incoming"]


def test_what_is_under_way_is_left_alone(tmp_path: Path, ids: list[str]) -> None:
    SpoolReader(f"{tmp_path}/msa/msa-1.db", "relay").turnover([], Wanted(10), time.time(), time.time() + 60)
    assert {entry["queue_name"] for entry in listed(tmp_path, ids[1], ids[2])} == {"active"}
    result = run(tmp_path, "--all", "--yes", "--json", command="delete")
    assert json.loads(result.stdout)["recipients"] == 1


def test_unknown_ids_and_missing_spools_are_one_line(tmp_path: Path, ids: list[str]) -> None:
    result = run(tmp_path, "0000", command="show")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert run(tmp_path, ids[0], "0000", command="delete").exit_code == 1
    assert len(listed(tmp_path)) == 3
    result = run(tmp_path / "nowhere")
    assert (result.exit_code, result.output.count("\n")) == (3, 1)
