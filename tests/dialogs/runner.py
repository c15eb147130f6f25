"""Plays dialogs: text files (`*.dialog`) in which a client (`C`) and a server (`S`) take turns.

    # a comment
    C: a LOGIN ada secret         a line is sent, CR LF is added
    C- A0001 NOOP\\r\\n            octets are sent as they are, with Python's escapes
    S: a OK LOGIN completed       the server sends exactly this line
    S~ \\* OK \\[UIDNEXT \\d+\\] .*  the server sends a line that matches the whole expression
    S. closed                     the server has closed the connection
    ! starttls                    the test's action of that name runs, with the words that follow

A digit after C or S names another connection (`C2:`, `S2~`), which is opened when it is first named.
The script must have every line that the server sends.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0  # seconds for a line to come
_STEP = re.compile(r"([CS])(\d?)([:~.-]) ?(.*)\Z")


@dataclass(frozen=True)
class Step:
    """One line of a script."""

    number: int
    who: str  # C, S or !
    name: str  # which connection
    kind: str
    text: str


@dataclass
class Peer:
    """The client's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, octets: bytes, size: int | None) -> None:
        """Send at once, or in pieces of `size` octets."""
        for start in range(0, len(octets), size or max(len(octets), 1)):
            self.writer.write(octets[start : start + (size or len(octets))])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def line(self) -> bytes:
        """Return the next line without CR LF; b"" at the end."""
        async with asyncio.timeout(PATIENCE):
            octets = await self.reader.readline()
        return octets.removesuffix(b"\r\n") if octets.endswith(b"\r\n") else octets

    async def closed(self) -> bytes:
        """Return what the server sends until it closes the connection."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read()
        return b""


Connect = Callable[[], Awaitable[Peer]]
Action = Callable[..., Awaitable[None]]  # gets the peers by name, then the words of its line


class ScriptError(Exception):
    """The script has a line that is no step."""


def read_script(path: Path) -> list[Step]:
    """Return the steps of a script. Raises ScriptError."""
    steps = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        if text.startswith("! "):
            steps.append(Step(number, "!", "", "", text[2:]))
        elif found := _STEP.match(text):
            steps.append(Step(number, found[1], found[2], found[3], found[4]))
        else:
            raise ScriptError(f"{path.name}:{number}: not a step: {text!r}")
    return steps


async def play(
    path: Path, connect: Connect, *, actions: Mapping[str, Action] | None = None, size: int | None = None
) -> None:
    """Play a script; the client's octets are cut into pieces of `size` octets. Raises AssertionError with the line."""
    peers: dict[str, Peer] = {}
    try:
        for step in read_script(path):
            if step.who == "!":
                name, *words = step.text.split()
                await (actions or {})[name](peers, *words)
                continue
            if step.name not in peers:
                peers[step.name] = await connect()
            try:
                await _play_step(peers[step.name], step, size)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{path.name}:{step.number}: {step.text!r}: {error!r}") from None
    finally:
        for peer in peers.values():
            peer.writer.close()


async def _play_step(peer: Peer, step: Step, size: int | None) -> None:
    if step.who == "C":
        octets = step.text.encode()
        raw = (
            step.text.encode("latin-1").decode("unicode_escape").encode("latin-1")
            if step.kind == "-"
            else b""
        )
        await peer.send(raw or octets + b"\r\n", size)
        return
    if step.kind == ".":
        left = await peer.closed()
        assert left == b"", f"heard {left!r} before the end"
        return
    heard = (await peer.line()).decode("utf-8", "surrogateescape")
    if step.kind == "~":
        assert re.fullmatch(step.text, heard), f"heard {heard!r}"
    else:
        assert heard == step.text, f"heard {heard!r}"
