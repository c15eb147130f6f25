"""The upgrade gate: what an inventory is behind is named, and what has another name now."""

from typing import Any

import pytest
import yaml

from .conftest import ROOT, load

changes = load("plugins/filter/changes.py")

LIST: list[dict[str, Any]] = [
    {"version": "0.2", "what": ["Hosts belong to groups"], "renamed": {}},
    {"version": "0.9", "what": ["Ports have sources"], "renamed": {"host_ports": "host_extra_tcp_ports"}},
    {"version": "0.10", "what": ["One thing", "Another thing"], "renamed": {}},
]


@pytest.mark.parametrize(
    ("read", "told"),
    [
        ("0.10", []),
        ("0.10.0", []),
        ("0.9", ["changed in 0.10: One thing", "changed in 0.10: Another thing"]),
        (
            "0.2.3",
            [
                "changed in 0.9: Ports have sources",
                "changed in 0.10: One thing",
                "changed in 0.10: Another thing",
            ],
        ),
    ],
)
def test_only_what_came_after_is_named(read: str, told: list[str]) -> None:
    found = changes.change_problems(LIST, read, [])
    assert found[:-1] == told
    assert not found or found[-1].endswith('write site_changes_read: "0.10"')


@pytest.mark.parametrize("read", [None, 0.9, "", "new", "0.x", "1.0", True])
def test_what_is_no_known_release_is_one_line(read: Any) -> None:
    (said,) = changes.change_problems(LIST, read, [])
    assert said.startswith("site_changes_read is ")


def test_a_former_name_is_told_whatever_was_read() -> None:
    (said,) = changes.change_problems(LIST, "0.10", ["host_ports", "mta_workers"])
    assert said == "host_ports has another name since 0.9: use host_extra_tcp_ports"


def test_the_kits_own_list_is_in_order() -> None:
    found = yaml.safe_load((ROOT / "playbooks/vars/changes.yml").read_text())["postroom_changes"]
    numbers = [changes.parsed(change["version"]) for change in found]
    assert None not in numbers
    assert numbers == sorted(numbers)
    for change in found:
        assert change["what"]
    for name in ("demo", "example"):
        texts = [path.read_text() for path in (ROOT / f"inventory/{name}/group_vars/postroom").glob("*.yml")]
        read = [yaml.safe_load(text).get("site_changes_read") for text in texts if text.startswith("---")]
        assert found[-1]["version"] in read
