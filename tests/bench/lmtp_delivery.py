"""What a delivery costs: starts postroom-mda, sends messages by LMTP, prints messages per second and CPU per message.

.venv/bin/python tests/bench/lmtp_delivery.py --accounts 1000 --messages 5000 --sessions 8 --size 4096
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from postroom.directory.apply import apply
from postroom.directory.reading import read_document

LINE = b"The quick brown fox jumps over the lazy dog, and nobody minds at all.\r\n"


def prepare(folder: Path, accounts: int, extra: str = "") -> Path:
    """A directory with accounts u0, u1 and so on, and settings; the settings' path."""
    for name in ("accounts", "notice", "over-quota"):
        (folder / name).mkdir()
    document = {
        "version": 1,
        "domains": [{"name": "bench.example", "home": "mail.bench.example"}],
        "accounts": [{"id": f"u{n}", "address": f"u{n}@bench.example"} for n in range(accounts)],
    }
    apply(folder / "directory.db", read_document(json.dumps(document).encode()))
    settings = folder / "mda.toml"
    settings.write_text(
        f"""host_name = "mail.bench.example"
listen = {{ lmtp = ["unix:{folder}/lmtp"] }}
run_directory = "{folder}"
directory_path = "{folder}/directory.db"
accounts_directory = "{folder}/accounts"
notice_directory = "{folder}/notice"
over_quota_directory = "{folder}/over-quota"
{extra}"""
    )
    return settings


def start(settings: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).parent / "postroom-mda"
    log = (settings.parent / "mda.log").open("ab")
    server = subprocess.Popen([program, "--config", settings], stderr=log)
    while (
        not (settings.parent / "lmtp").exists() or b"ready" not in (settings.parent / "mda.log").read_bytes()
    ):
        if server.poll() is not None:
            raise SystemExit((settings.parent / "mda.log").read_text())
        time.sleep(0.02)
    return server


def message(size: int, number: int) -> bytes:
    head = (
        b"Received: from a.example by mail.bench.example with ESMTPS id x%d;\r\n\tMon, 23 Nov 2026 04:00:00 +0000\r\n"
        b"From: Ada <ada@bench.example>\r\nTo: Bob <bob@bench.example>\r\nSubject: Message %d\r\n"
        b"Date: Mon, 23 Nov 2026 04:00:00 +0000\r\nMessage-ID: <%d@bench.example>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    ) % (number, number, number)
    return head + LINE * max(1, (size - len(head)) // len(LINE))


async def client(path: str, work: "asyncio.Queue[int]", accounts: int, size: int) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    await reader.readline()
    writer.write(b"LHLO bench\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    while not work.empty():
        number = work.get_nowait()
        writer.write(
            b"XFORWARD IDENT=bench%d\r\nMAIL FROM:<s@a.example>\r\nRCPT TO:<u%d@bench.example>\r\nDATA\r\n"
            % (number, number % accounts)
        )
        for _ in range(4):
            line = await reader.readline()
            assert line[:1] in b"23", line
        writer.write(message(size, number) + b".\r\n")
        line = await reader.readline()
        assert line[:3] == b"250", line
    writer.close()


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(path: str, options: argparse.Namespace, count: int, first: int) -> float:
    work: asyncio.Queue[int] = asyncio.Queue()
    for number in range(first, first + count):
        work.put_nowait(number)
    begun = time.perf_counter()
    await asyncio.gather(
        *(client(path, work, options.accounts, options.size) for _ in range(options.sessions))
    )
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("accounts", 1000), ("messages", 3000), ("sessions", 8), ("size", 4096)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        settings = prepare(Path(name), options.accounts)
        server = start(settings)
        try:
            path = f"{name}/lmtp"
            asyncio.run(load(path, options, options.accounts, 0))  # accounts are made here
            before = cpu(server.pid)
            seconds = asyncio.run(load(path, options, options.messages, options.accounts))
            used = cpu(server.pid) - before
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        print(
            f"{options.messages} messages of {options.size} octets to {options.accounts} accounts,"
            f" {options.sessions} sessions: {options.messages / seconds:.0f} msg/s,"
            f" {used / options.messages * 1000:.3f} ms CPU of the mda per message"
        )


if __name__ == "__main__":
    main()
