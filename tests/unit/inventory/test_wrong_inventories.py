"""Wrong inventories of all kinds as data: each is refused, and nothing else is said than what is wrong."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from .judging import REMOVED, judged, laid_over, write

HERE = Path(__file__).parent
SOUND = yaml.safe_load((HERE / "sound.yml").read_text())
CASES = [case for path in sorted((HERE / "wrong").glob("*.yml")) for case in yaml.safe_load(path.read_text())]


@cache
def certificates() -> dict[str, bytes]:
    authority, end = trustme.CA(), datetime(2020, 6, 1, tzinfo=UTC)
    issued = {
        "ended": authority.issue_cert(
            "mail.beta.example", not_before=end - timedelta(days=90), not_after=end
        ),
        "other": authority.issue_cert("mail.gamma.example"),
    }
    return {f"{name}.pem": one.cert_chain_pems[0].bytes() for name, one in issued.items()} | {
        f"{name}.key": one.private_key_pem.bytes() for name, one in issued.items()
    }


def inventory(folder: Path, change: dict[str, Any]) -> Path:
    for name, octets in certificates().items():
        (folder / name).write_bytes(octets)
    write(folder / "inventory", laid_over(SOUND, change))
    return folder / "inventory"


def test_the_inventory_that_the_cases_spoil_is_in_order(tmp_path: Path) -> None:
    assert judged(inventory(tmp_path, {})) == (
        [],
        "2 companies, 3 domains, 3 people, 3 mail hosts, 1 other host: nothing is wrong.",
    )


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_it_is_refused_with_these_lines(case: dict[str, Any], tmp_path: Path) -> None:
    found, success = judged(inventory(tmp_path, case["change"]))
    assert [line.replace(str(tmp_path / "inventory"), "FOLDER") for line in found] == case["says"]
    assert success == ""


def test_there_are_many_and_each_changes_something() -> None:
    assert len(CASES) >= 60
    assert len({case["case"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert laid_over(SOUND, case["change"]) != SOUND, case["case"]
        assert REMOVED not in str(laid_over(SOUND, case["change"]))
