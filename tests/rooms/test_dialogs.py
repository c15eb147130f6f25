"""Files of dialogs have one suffix, so that none is left out when the folder is played."""

from pathlib import Path

import pytest

DIALOGS = Path(__file__).parents[1] / "dialogs"


@pytest.mark.parametrize(
    "folder", sorted(path.name for path in DIALOGS.iterdir() if path.is_dir() and path.name[0] != "_")
)
def test_every_script_is_a_dialog(folder: str) -> None:
    files = [path for path in (DIALOGS / folder).iterdir() if path.is_file()]
    assert any(path.suffix == ".dialog" for path in files)
    assert {path.suffix for path in files} == {".dialog", ".py"}
