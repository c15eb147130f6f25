"""Notices between writing processes and relays."""

from pathlib import Path

from postroom.queue.sqlite.notices import RelayNotices, bind_notices


def test_every_relay_hears_and_the_dead_are_cleared_away(tmp_path: Path) -> None:
    now = [0.0]
    notices = RelayNotices(str(tmp_path), lambda: now[0])
    notices.send("mta-1")  # nobody is there
    first, second = bind_notices(str(tmp_path), "relay-1"), bind_notices(str(tmp_path), "relay-2")
    now[0] += 10
    notices.send("mta-1")
    assert first.recv(100) == second.recv(100) == b"mta-1"
    first.close()
    notices.send("mta-1")
    assert second.recv(100) == b"mta-1"
    assert len(list(tmp_path.iterdir())) == 2
    third = bind_notices(str(tmp_path), "relay-3")
    assert sorted(path.name.partition("-")[2][0] for path in tmp_path.iterdir()) == ["2", "3"]
    second.close()
    third.close()
    notices.close()


def test_a_relay_that_does_not_listen_blocks_nobody(tmp_path: Path) -> None:
    notices = RelayNotices(str(tmp_path), lambda: 0.0)
    heard = bind_notices(str(tmp_path), "relay-1")
    for _ in range(5000):
        notices.send("mta-1")
    heard.close()
    notices.close()
