"""Files and folders: modes, links in the way, and what a failing disk leaves behind."""

import os
import resource
import stat
from pathlib import Path

import pytest
from postroom.contracts.errors import Unavailable
from postroom.store.blobs import files


@pytest.fixture
def umask() -> None:  # type: ignore[misc]
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("umask")
def test_modes_under_the_umask_of_a_service(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    account = tmp_path / "ada"
    files.make_account(str(account))
    folder = files.Folder(str(account / files.MESSAGES))
    folder.write("m", b"octets")
    folder.close()
    assert (mode(account), mode(account / files.MESSAGES)) == (0o2770, 0o2770)
    assert mode(account / files.MESSAGES / "m") == 0o660
    assert os.umask(0o077) == 0o077


@pytest.mark.damages("database damaged")
def test_an_account_is_made_once(tmp_path: Path) -> None:
    path = str(tmp_path / "ada")
    assert not files.is_account(path)
    files.make_account(path)
    assert not files.is_account(path)
    (tmp_path / "ada" / files.DATABASE).write_bytes(b"kept")
    files.make_account(path)
    assert files.is_account(path)
    assert (tmp_path / "ada" / files.DATABASE).read_bytes() == b"kept"


@pytest.mark.parametrize(
    "place", ["ada", pytest.param("ada/account.db", marks=pytest.mark.damages("not usable"))]
)
def test_x22_links_in_place_of_an_account_are_refused(tmp_path: Path, place: str) -> None:
    files.make_account(str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / files.DATABASE).touch()
    if "/" in place:
        (tmp_path / "ada").mkdir()
    (tmp_path / place).symlink_to(tmp_path / "elsewhere" / (files.DATABASE if "/" in place else ""))
    with pytest.raises(Unavailable):
        files.is_account(str(tmp_path / "ada"))


def test_x22_links_in_place_of_messages_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    with pytest.raises(OSError):
        files.Folder(str(tmp_path / "linked"))
    folder = files.Folder(str(tmp_path / "real"))
    (tmp_path / "real" / "m").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        folder.read("m")
    with pytest.raises(FileExistsError):
        folder.write("m", b"x")
    folder.close()
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = files.Folder(str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError):
            folder.write("m", b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        folder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_link_shares_the_octets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, two = files.Folder(str(tmp_path / "a")), files.Folder(str(tmp_path / "b"))
    one.write("m", b"octets")
    two.link(one, "m", "n")
    assert (tmp_path / "a" / "m").stat().st_ino == (tmp_path / "b" / "n").stat().st_ino
    one.remove("m")
    one.remove("m")
    assert two.read("n") == b"octets"
    one.close()
    two.close()


def test_a_failing_fsync_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    folder = files.Folder(str(tmp_path))
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(files.SyncFailed):
        folder.write("m", b"x")
    with pytest.raises(files.SyncFailed):
        folder.sync()
    folder.close()
