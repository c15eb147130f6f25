"""The module that writes an agent's files, run on files."""

import grp
import importlib.util
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from agent_files import ROOT
from ansible.module_utils.testing import patch_module_args

specification = importlib.util.spec_from_file_location("module", ROOT / "plugins/modules/agent_files.py")
assert specification
assert specification.loader
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)

OWN = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """The module's answer to these arguments."""

    def answer(*files: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {"files": [{**OWN, **file} for file in files], **more, "_ansible_check_mode": check}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return answer


def test_a_file_is_written_once(run: Any, tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "new/settings"), "content": "a = 1\n", "mode": "0640"}
    assert run(file)["paths"] == [file["path"]]
    assert Path(file["path"]).read_text() == "a = 1\n"
    assert Path(file["path"]).stat().st_mode & 0o7777 == 0o640
    assert run(file)["changed"] is False


def test_a_mode_alone_is_put_right(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "settings"
    run({"path": str(path), "content": "a = 1\n"})
    path.chmod(0o666)
    assert run({"path": str(path), "content": "a = 1\n"})["changed"] is True
    assert path.stat().st_mode & 0o7777 == 0o644


def test_check_mode_says_and_does_nothing(run: Any, tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "settings"), "content": "a = 1\n", "accept": ["/bin/false"]}
    said = run(file, check=True)
    assert said["changed"] is True
    assert said["diff"][0]["after"] == "a = 1\n"
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_accepted_leaves_the_old_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("old\n")
    said = run(
        {
            "path": str(path),
            "content": "bad\n",
            "accept": ["sh", "-c", 'grep good "$1" || { cat "$1" >&2; exit 1; }', "sh", "%s"],
        }
    )
    assert said["failed"] is True
    assert f"{path} was not accepted, the file stays as it was: bad" in said["msg"]
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_group_is_named(run: Any, tmp_path: Path) -> None:
    said = run({"path": str(tmp_path / "settings"), "content": "", "group": "no-such-group"})
    assert "no group no-such-group" in said["msg"]
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_written_and_never_shown(run: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "key.pem")
    said = run(secret_files=[{**OWN, "path": path}], secrets={path: "hush hush\n"})
    assert Path(path).read_text() == "hush hush\n"
    assert Path(path).stat().st_mode & 0o7777 == 0o440
    assert path in said["diff"][0]["prepared"]
    assert "hush" not in json.dumps(said)


def test_what_is_no_longer_a_secret_is_removed_with_its_folder(run: Any, tmp_path: Path) -> None:
    for name in ("stays/ed1.pem", "stays/old1.pem", "left/rsa1.pem"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("key\n")
    (tmp_path / "stays/ed1.pem").chmod(0o440)
    path = str(tmp_path / "stays/ed1.pem")
    given = {"secret_files": [{**OWN, "path": path}], "secrets": {path: "key\n"}}
    gone = [str(tmp_path / name) for name in ("stays/old1.pem", "left/rsa1.pem", "left")]
    said = run(check=True, only_secrets_in=[str(tmp_path)], **given)
    assert sorted(said["paths"]) == sorted(gone)
    assert (tmp_path / "left/rsa1.pem").exists()
    said = run(only_secrets_in=[str(tmp_path)], **given)
    assert sorted(said["paths"]) == sorted(gone)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "stays", Path(path)]
    assert run(only_secrets_in=[str(tmp_path)], **given)["changed"] is False
