"""Every dialog in this folder, whole and in single octets, on every store."""

from pathlib import Path

import pytest

from ..runner import Peer, play
from .conftest import Server

SCRIPTS = sorted(Path(__file__).parent.glob("*.dialog"))
MESSAGE = b"From: Ada <ada@alpha.example>\r\nTo: bob@alpha.example\r\nSubject: one\r\n\r\nHello\r\n"


@pytest.mark.parametrize("server", ["sqlite", "memory", "far"], indirect=True)
@pytest.mark.parametrize("size", [None, 1], ids=["whole", "octets"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
async def test_dialog(server: Server, script: Path, size: int | None) -> None:
    async def deliver(peers: dict[str, Peer], account: str, subject: str = "one") -> None:
        await server.deliver(account, MESSAGE.replace(b"one", subject.encode()))

    async def quota(peers: dict[str, Peer], octets: str) -> None:
        server.people.quota_bytes = int(octets)

    async def starttls(peers: dict[str, Peer], name: str = "") -> None:
        await peers[name].writer.start_tls(server.client_tls(), server_hostname="localhost")

    actions = {"deliver": deliver, "quota": quota, "starttls": starttls}
    connect = server.plain if script.stem.startswith("plain") else server.tls
    await play(script, connect, actions=actions, size=size)
