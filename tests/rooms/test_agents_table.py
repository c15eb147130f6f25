"""The one table of agents, and what must agree with it since it cannot read it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ..agents import AGENTS, PORTS, READS, TABLE

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = {"mx", "submission", "mailbox"}
PRIVATE = {"passwords", "mailboxes", "TLS keys", "signing keys"}


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_the_play_runs_the_agents_in_the_order_of_the_table() -> None:
    (play,) = load("playbooks/mail.yml")
    roles = [entry["role"] for entry in play["roles"]]
    assert roles[:1] == ["release"]
    assert [role for role in roles if role not in ("release", "directory")] == list(AGENTS)


@pytest.mark.parametrize("row", TABLE, ids=AGENTS)
def test_a_row_is_complete_and_has_a_role(row: dict[str, Any]) -> None:
    assert set(row) == {"name", "title", "functions", "ports", "reads"}
    assert set(row["functions"]) <= FUNCTIONS
    assert row["functions"]
    assert set(row["reads"]) <= PRIVATE
    assert (ROOT / f"roles/{row['name']}/tasks/agent.yml").is_file()
    assert (ROOT / f"agents/src/postroom/{row['name']}/config.py").is_file()


def test_every_role_of_an_agent_has_a_row() -> None:
    assert {path.parts[-3] for path in (ROOT / "roles").glob("*/tasks/agent.yml")} == set(AGENTS)


def test_each_kind_of_private_data_has_as_few_readers_as_can_be() -> None:
    readers = {data: {agent for agent in AGENTS if data in READS[agent]} for data in PRIVATE}
    assert readers["passwords"] == {"auth"}
    assert readers["signing keys"] == {"relay"}
    assert readers["mailboxes"] == {"mda", "imap", "pop3"}


def test_plays_work_on_the_groups_of_the_kit_alone() -> None:
    own = {"postroom", "mail_hosts", "name_servers", "localhost"}
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        for play in load(f"playbooks/{path.name}"):
            if isinstance(play, dict) and "hosts" in play:
                assert play["hosts"] in own, path.name


def test_the_sandbox_has_the_services_of_the_table() -> None:
    text = (ROOT / "agents/src/postroom/cli/sandbox/domains.py").read_text()
    assert {service for service in PORTS if f'"{service}"' not in text} == set()
