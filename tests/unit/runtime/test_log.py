"""One event is one line, and a client cannot flood the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.runtime.log import LINES_PER_SECOND, Log, harmless, share_of_lines


@given(st.text())
def test_x19_no_text_breaks_the_line(text: str) -> None:
    cleaned = harmless(text)
    assert len(cleaned.splitlines()) <= 1
    assert all(character.isprintable() or ord(character) >= 0xA0 for character in cleaned)


class Steady:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_x34_a_flood_from_one_client_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Steady()
    log = Log("test", steady=clock)
    for _ in range(500):
        log.info("connect", client="192.0.2.1")
    log.info("connect", client="192.0.2.2")
    clock.seconds += 1
    log.info("connect", client="192.0.2.1")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES_PER_SECOND + 1 + 1 + 1
    assert any("480 more lines" in line for line in lines)


def test_levels_below_the_setting_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("test", "warning")
    log.info("not this")
    log.warning("but this")
    assert capsys.readouterr().err.count("\n") == 1
    assert not log.enabled("info")


def test_workers_share_the_lines_of_a_client() -> None:
    assert [share_of_lines(workers) for workers in (1, 2, 4, 16)] == [20, 10, 5, 5]


def test_a_worker_writes_its_share(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log("test", steady=lambda: 1.0, lines_per_second=share_of_lines(2))
    for _ in range(50):
        log.info("refused", client="192.0.2.1")
    assert capfd.readouterr().err.count("refused") == 10
