"""Socket units of an agent. systemd.socket(5)

Room rule: pure. Listeners come in as the roles name them, files go out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOLDER = "/etc/systemd/system"
HEADER = "# Ansible managed"


def socket_units(listeners: list[Mapping[str, Any]], unit: str, description: str) -> list[dict[str, str]]:
    """One file per listener: `path` and `content`."""
    return [
        {
            "path": f"{FOLDER}/{unit}-{listener['name']}.socket",
            "content": "\n".join([HEADER, *lines(listener, unit, description), ""]),
        }
        for listener in listeners
    ]


def lines(listener: Mapping[str, Any], unit: str, description: str) -> list[str]:
    local = "mode" in listener
    return [
        "[Unit]",
        f"Description=Postroom {description}: {listener['name']}",
        "",
        "[Socket]",
        *(f"ListenStream={address}" for address in listener["addresses"]),
        f"FileDescriptorName={listener['name']}",
        f"Service={unit}.service",
        "Backlog=1024",
        *(of_path(listener) if local else of_network()),
        "",
        "[Install]",
        "WantedBy=sockets.target",
    ]


def of_path(listener: Mapping[str, Any]) -> list[str]:
    """A socket in the file system: its owner and group say who may connect, since agents do not see who is calling."""
    return [
        "SocketUser=root",
        f"SocketGroup={listener.get('group', 'root')}",
        f"SocketMode={listener['mode']}",
        "DirectoryMode=0755",
        "RemoveOnStop=yes",
    ]


def of_network() -> list[str]:
    return ["BindIPv6Only=ipv6-only", "NoDelay=yes", "KeepAlive=yes"]


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"agent_socket_units": socket_units}
