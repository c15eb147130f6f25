"""guesses.db."""

from pathlib import Path

import pytest
from postroom.auth.guess_file import GuessFile
from postroom.auth.guesses import KnownNetwork, TallyRow
from postroom.contracts.errors import Unavailable


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = GuessFile(tmp_path / "guesses.db")
    assert file.load() == ([], [])
    tallies = [TallyRow("account:ada", (1.5, 2.5)), TallyRow("client:192.0.2.1/32", (3.0,))]
    known = [KnownNetwork("ada", "192.0.2.0/24", 7.0)]
    file.save(tallies, known)
    assert GuessFile(tmp_path / "guesses.db").load() == (tallies, known)


def test_what_is_forgotten_goes(tmp_path: Path) -> None:
    file = GuessFile(tmp_path / "guesses.db")
    file.save([TallyRow("account:ada", (1.0,))], [KnownNetwork("ada", "192.0.2.0/24", 7.0)])
    file.save([TallyRow("account:ada", ())], [KnownNetwork("ada", "192.0.2.0/24", 0.0)])
    assert file.load() == ([], [])


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "guesses.db").write_bytes(b"something else entirely" * 100)
    file = GuessFile(tmp_path / "guesses.db")
    assert file.load() == ([], [])
    file.save([TallyRow("account:ada", (1.0,))], [])
    assert file.load()[0] == [TallyRow("account:ada", (1.0,))]


def test_no_folder_is_unavailable(tmp_path: Path) -> None:
    file = GuessFile(tmp_path / "gone" / "guesses.db")
    with pytest.raises(Unavailable):
        file.load()
    with pytest.raises(Unavailable):
        file.save([TallyRow("account:ada", (1.0,))], [])
