"""Files that are read piece by piece: an expunged one is served to its end, and few are open at a time."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom.store.blobs.files import Folder
from postroom.store.blobs.openfiles import MOST, OpenFiles


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    opened = Folder(str(tmp_path))
    for number in range(MOST + 1):
        opened.write(f"m{number}", b"0123456789")
    yield opened
    opened.close()


@pytest.fixture
def open_files() -> Iterator[OpenFiles]:
    made = OpenFiles()
    yield made
    made.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("start", "end", "octets"),
    [
        (0, 15, b"P: x\r0123456789"),
        (0, 3, b"P: "),
        (3, 7, b"x\r01"),
        (5, 8, b"012"),
        (12, 99, b"789"),
        (15, 20, b""),
    ],
)
def test_pieces_run_on_from_the_prefix_into_the_file(
    folder: Folder, open_files: OpenFiles, start: int, end: int, octets: bytes
) -> None:
    assert open_files.open(folder, 1, "m0", b"P: x\r").piece(start, end) == octets


def test_a_removed_file_is_read_to_its_end(folder: Folder, open_files: OpenFiles) -> None:
    open_files.open(folder, 1, "m0", b"")
    folder.remove("m0")
    found = open_files.get(1)
    assert found is not None
    assert (found.size, found.piece(0, found.size)) == (10, b"0123456789")


def test_the_file_that_was_not_read_for_longest_is_closed(folder: Folder, open_files: OpenFiles) -> None:
    before = descriptors()
    for key in range(MOST):
        open_files.open(folder, key, f"m{key}", b"")
    assert open_files.get(0) is not None
    open_files.open(folder, MOST, f"m{MOST}", b"")
    assert [key for key in range(MOST + 1) if open_files.get(key) is None] == [1]
    assert descriptors() == before + MOST
    open_files.done(0)
    open_files.done(0)
    assert open_files.get(0) is None
    open_files.close()
    assert descriptors() == before
