"""The agents by the kit's own table, so that a new one is tested as soon as it has a row."""

from pathlib import Path
from typing import Any

import yaml

TABLE: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "playbooks/vars/agents.yml").read_text()
)["postroom_agents"]
AGENTS: tuple[str, ...] = tuple(row["name"] for row in TABLE)
PORTS: dict[str, int] = {service: port for row in TABLE for service, port in row["ports"].items()}
# Maps a service to its agent.
SERVED_BY: dict[str, str] = {service: row["name"] for row in TABLE for service in row["ports"]}
READS: dict[str, frozenset[str]] = {row["name"]: frozenset(row["reads"]) for row in TABLE}
LISTENING: tuple[str, ...] = tuple(row["name"] for row in TABLE if row["ports"])
