"""Every dialog in this folder, whole and in single octets."""

from pathlib import Path

import pytest

from ...smtp_site import Site
from ..runner import Peer, play

SCRIPTS = sorted(Path(__file__).parent.glob("*.dialog"))


@pytest.mark.parametrize("size", [None, 1], ids=["whole", "octets"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
async def test_dialog(site: Site, script: Path, size: int | None) -> None:
    name = "smtp" if script.stem.startswith("mta") else "submission"

    async def connect() -> Peer:
        dialog = await site.connect(name)
        return Peer(dialog.reader, dialog.writer)

    async def starttls(peers: dict[str, Peer], which: str = "") -> None:
        await peers[which].writer.start_tls(site.client_tls(), server_hostname="mail.alpha.example")

    await play(script, connect, actions={"starttls": starttls}, size=size)
    assert site.log.errors == []
