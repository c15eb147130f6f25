#!/usr/bin/python3
"""Look at a host before anything is changed: memory, room, clock, addresses, listening sockets, the resolver's file."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import socket
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_survey
short_description: Look at a host before anything is changed
description:
  - Returns the facts that the roles' preflights judge. Changes nothing.
options: {}
author: The Postroom authors
"""
EXAMPLES = r"""
- host_survey:
  register: host_survey
"""
RETURN = r"""
memory_mib: {description: Memory of the host in MiB, returned: always, type: int}
free_mib: {description: Room in /var and /opt in MiB, returned: always, type: dict}
time: {description: Seconds since 1970, returned: always, type: float}
addresses: {description: IP addresses of the interfaces, returned: always, type: list}
listening: {description: "Sockets: protocol, address, port, unit, program", returned: always, type: list}
resolv_conf: {description: "The file's link, and the programs that write it", returned: always, type: dict}
"""
LISTEN, UNBOUND = "0A", "07"  # states in /proc/net: a TCP socket that listens, a UDP socket without a peer
WRITERS = ("resolvconf.service", "NetworkManager.service", "dhcpcd.service", "networking.service")


def memory_mib() -> int:
    with open("/proc/meminfo") as file:
        found = re.search(r"MemTotal:\s+(\d+) kB", file.read())
    return int(found.group(1)) // 1024 if found else 0


def free_mib(path: str) -> int:
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize // 2**20


def addresses() -> list[str]:
    """Read the addresses of the interfaces from the kernel, since a small host may lack the command ip."""
    with open("/proc/net/fib_trie") as file:
        found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", file.read())
    if os.path.exists("/proc/net/if_inet6"):
        with open("/proc/net/if_inet6") as file:
            found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in file]
    return sorted(set(found))


def hosts_address(text: str) -> str:
    """Return an address of /proc/net as people write it: words of 32 bits in the machine's own order."""
    octets = b"".join(bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(octets) == 4 else socket.AF_INET6, octets)


def sockets() -> list[dict]:
    found = []
    for protocol, wanted in (("tcp", LISTEN), ("udp", UNBOUND)):
        for table in (protocol, protocol + "6"):
            path = "/proc/net/" + table
            if not os.path.exists(path):
                continue
            with open(path) as file:
                for line in file.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == wanted:
                        address, _, port = fields[1].partition(":")
                        entry = {"protocol": protocol, "address": hosts_address(address), "port": int(port, 16)}
                        found.append(dict(entry, inode=fields[9]))
    return found


def holders(inodes: set) -> dict:
    """Return for each socket the processes that hold it."""
    found: dict = {}
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:  # the process has ended meanwhile
            continue
        inode = target[8:-1] if target.startswith("socket:[") else ""
        if inode in inodes:
            found.setdefault(inode, set()).add(int(path.split("/")[2]))
    return found


def unit_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            names = re.findall(r"[^/\s]+\.(?:service|socket|scope)", file.read())
    except OSError:
        return ""
    return names[-1] if names else ""


def program_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def units_of_sockets() -> dict:
    """Return the socket units by what they listen on, as systemd writes it; empty without systemd."""
    try:
        said = subprocess.run(
            ["systemctl", "list-sockets", "--all", "--plain", "--no-legend", "--full"],  # noqa: S607
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True,
        ).stdout  # fmt: skip
    except OSError:
        return {}
    return {line.split()[0]: line.split()[1] for line in said.splitlines() if len(line.split()) > 1}


def listening() -> list[dict]:
    found, by_systemd = sockets(), units_of_sockets()
    processes = holders({entry["inode"] for entry in found})
    for entry in found:
        pids = sorted(processes.get(entry.pop("inode"), ()))
        form = "[%s]:%d" if ":" in entry["address"] else "%s:%d"
        others = [pid for pid in pids if pid != 1]
        entry["unit"] = by_systemd.get(form % (entry["address"], entry["port"])) or next(map(unit_of, others), "")
        entry["program"] = next(map(program_of, others), "")
    return found


def active(unit: str) -> bool:
    command = ["systemctl", "is-active", "--quiet", unit]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


def resolv_conf() -> dict:
    path = "/etc/resolv.conf"
    writers = [unit for unit in WRITERS if active(unit)]
    if "networking.service" in writers and not glob.glob("/sbin/dhclient"):
        writers.remove("networking.service")  # only its DHCP client writes the file
    text = ""
    if os.path.exists(path):
        with open(path, errors="replace") as file:
            text = file.read()
    return {"link": os.readlink(path) if os.path.islink(path) else "", "writers": writers, "text": text}


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(
        changed=False,
        memory_mib=memory_mib(),
        free_mib={path: free_mib(path) for path in ("/var", "/opt") if os.path.isdir(path)},
        time=time.time(),
        addresses=addresses(),
        listening=listening(),
        resolv_conf=resolv_conf(),
    )


if __name__ == "__main__":
    main()
