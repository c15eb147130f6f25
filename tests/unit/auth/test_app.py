"""The process as it is started on a host."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.auth.app import AuthAgent
from postroom.auth.config import AuthConfig
from postroom.auth.hashing import Hasher
from postroom.auth.secrets import SecretStore
from postroom.contracts.auth import LoginAttempt
from postroom.contracts.errors import LoginRefused, LoginThrottled
from postroom.couriers.auth import AuthClient
from postroom.runtime.config import ConfigError, convert

from .conftest import PEOPLE, write_directory

MAIN = "from postroom.auth.app import main; main()"


class Process:
    """postroom-auth in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = AuthClient(str(folder / "auth.sock"))
        write_directory(folder)
        store = SecretStore(folder / "secrets.db")
        for name, password in PEOPLE.items():
            store.set(name, Hasher(8, 1, 1).make(password), 1)
        store.close()
        settings = {
            "host_name": "mail.a.example", "directory_path": f"{folder}/directory.db",
            "secrets_path": f"{folder}/secrets.db", "guesses_path": f"{folder}/guesses.db",
        }  # fmt: skip
        lines = [f'{name} = "{value}"' for name, value in settings.items()]
        lines += [
            "argon2_memory_kib = 8",
            "argon2_time = 1",
            "argon2_parallelism = 1",
            "failures_per_account = 3",
        ]
        lines += [
            "failure_delay = 0",
            "failure_delay_maximum = 0",
            f'listen = {{auth = ["unix:{folder}/auth.sock"]}}',
        ]
        (folder / "auth.toml").write_text("\n".join(lines))

    async def start(self) -> None:
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MAIN, "--config", f"{self.folder}/auth.toml", stderr=asyncio.subprocess.PIPE
        )
        assert self.child.stderr is not None
        assert b"ready" in await self.child.stderr.readline()

    async def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        _, _ = await self.child.communicate()
        return await self.child.wait()

    async def login(self, password: str, client: str = "198.51.100.1") -> str:
        response = f"\0ada@a.example\0{password}".encode()
        attempt = LoginAttempt("PLAIN", response, "imap", client, True)
        return (await self.client.authenticate(attempt)).account


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    running = Process(tmp_path)
    await running.start()
    yield running
    await running.client.close()
    if running.child.returncode is None:
        await running.stop()


async def test_a_restart_forgets_neither_guesses_nor_homes(process: Process) -> None:
    assert await process.login(PEOPLE["ada"], "192.0.2.1") == "ada"
    for number in range(3):
        with pytest.raises(LoginRefused):
            await process.login(f"guess {number}")
    assert await process.stop() == 0
    await process.start()
    with pytest.raises(LoginThrottled):
        await process.login(PEOPLE["ada"])
    assert await process.login(PEOPLE["ada"], "192.0.2.99") == "ada"


async def test_a_password_changed_by_the_operator_counts_at_once(process: Process) -> None:
    assert await process.login(PEOPLE["ada"], "192.0.2.1") == "ada"
    store = SecretStore(process.folder / "secrets.db")
    store.set("ada", Hasher(8, 1, 1).make("changed"), 2)
    with pytest.raises(LoginRefused):
        await process.login(PEOPLE["ada"], "192.0.2.1")
    assert await process.login("changed", "192.0.2.1") == "ada"


async def test_a_reload_takes_over_limits_and_hash_parameters(process: Process) -> None:
    settings = process.folder / "auth.toml"
    text = settings.read_text().replace("argon2_time = 1", "argon2_time = 2")
    settings.write_text(text.replace("failures_per_account = 3", "failures_per_account = 1"))
    process.child.send_signal(signal.SIGHUP)
    assert process.child.stderr is not None
    assert b"read again" in await process.child.stderr.readline()
    assert await process.login(PEOPLE["ada"], "192.0.2.1") == "ada"
    store = SecretStore(process.folder / "secrets.db")
    assert "t=2," in (store.verifier("ada") or "")
    store.close()
    with pytest.raises(LoginRefused):
        await process.login("guess")
    with pytest.raises(LoginThrottled):
        await process.login("guess again")


def test_check_config_wants_the_secrets_folder(tmp_path: Path) -> None:
    good = AuthConfig(host_name="mail.a.example", secrets_path=str(tmp_path / "secrets.db"))
    AuthAgent.check(good)
    with pytest.raises(ConfigError, match="secrets_path"):
        AuthAgent.check(
            AuthConfig(host_name="mail.a.example", secrets_path=str(tmp_path / "gone" / "secrets.db"))
        )


@pytest.mark.parametrize(
    "wrong", [{"workers": 2}, {"threads": 0}, {"argon2_memory_kib": 4}, {"failure_delay": 31.0}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        convert({"host_name": "mail.a.example", **wrong}, AuthConfig)
