"""Counting failures. All limits here: 3 per account, 5 per client, 600 s."""

import pytest
from postroom.auth.guesses import MAX_NETWORKS, MAX_TALLIES, Guesses, GuessLimits, network_of

HOME, AWAY = "192.0.2.7", "198.51.100.9"


@pytest.fixture
def guesses() -> Guesses:
    return Guesses(GuessLimits(per_account=3, per_client=5, window=600, delay=1, delay_maximum=8))


def fail(guesses: Guesses, account: str, client: str, times: int, now: float = 0.0) -> None:
    for number in range(times):
        guesses.failed(account, client, f"{account}{client}{number}{now}".encode(), now)


def test_an_account_is_blocked_for_the_window_whatever_the_address(guesses: Guesses) -> None:
    for number in range(3):
        assert not guesses.blocked("ada", AWAY, 0)
        fail(guesses, "ada", f"198.51.100.{number}", 1)
    assert guesses.blocked("ada", "203.0.113.1", 599)
    assert not guesses.blocked("bob", "203.0.113.1", 599)
    assert not guesses.blocked("ada", "203.0.113.1", 600)


def test_a_client_is_blocked_whatever_the_account(guesses: Guesses) -> None:
    for number in range(5):
        assert not guesses.blocked("eve", AWAY, 0)
        fail(guesses, f"p{number}", AWAY, 1)
    assert guesses.blocked("eve", AWAY, 1)
    assert not guesses.blocked("eve", HOME, 1)


def test_an_ipv6_guesser_does_not_gain_by_changing_its_host_part(guesses: Guesses) -> None:
    for number in range(5):
        fail(guesses, f"p{number}", f"2001:db8::{number:x}", 1)
    assert guesses.blocked("eve", "2001:db8::ffff", 1)
    assert not guesses.blocked("eve", "2001:db8:0:1::1", 1)


@pytest.mark.parametrize("client", [HOME, "192.0.2.200"])
def test_nobody_is_locked_out_of_where_he_has_been(guesses: Guesses, client: str) -> None:
    guesses.succeeded("ada", HOME, 0)
    fail(guesses, "ada", AWAY, 50)
    fail(guesses, "eve", client, 50)
    assert not guesses.blocked("ada", client, 1)
    assert guesses.blocked("ada", AWAY, 1)


def test_failures_at_home_do_not_block_the_account_elsewhere(guesses: Guesses) -> None:
    guesses.succeeded("ada", HOME, 0)
    fail(guesses, "ada", HOME, 50)
    assert not guesses.blocked("ada", AWAY, 1)
    assert guesses.delay("ada", HOME, 1) == 8


def test_the_same_wrong_password_counts_once(guesses: Guesses) -> None:
    for now in range(100):
        guesses.failed("ada", AWAY, b"stale telephone", now)
    assert not guesses.blocked("ada", AWAY, 100)


def test_refusals_wait_longer_and_longer_up_to_a_bound(guesses: Guesses) -> None:
    waits = []
    for number in range(6):
        fail(guesses, f"p{number}", AWAY, 1)
        waits.append(guesses.delay(f"p{number}", AWAY, 0))
    assert waits == [1, 2, 4, 8, 8, 8]


def test_a_clock_that_goes_back_keeps_nobody_out(guesses: Guesses) -> None:
    fail(guesses, "ada", AWAY, 3, now=1_000_000.0)
    assert guesses.blocked("ada", AWAY, 1_000_001.0)
    assert not guesses.blocked("ada", AWAY, 900_000.0)


def test_a_restart_changes_nothing(guesses: Guesses) -> None:
    guesses.succeeded("bob", HOME, 5)
    fail(guesses, "ada", AWAY, 3)
    again = Guesses(GuessLimits(3, 5, 600))
    again.restore(*guesses.take_changes())
    fail(again, "bob", AWAY, 3)
    assert again.blocked("ada", "203.0.113.1", 1)
    assert not again.blocked("bob", HOME, 1)
    assert guesses.take_changes() == ([], [])


def test_what_has_expired_is_told_to_be_forgotten(guesses: Guesses) -> None:
    fail(guesses, "ada", AWAY, 1)
    guesses.take_changes()
    assert not guesses.blocked("ada", AWAY, 10_000)
    tallies, _ = guesses.take_changes()
    assert {row.key for row in tallies if not row.times} == {"account:ada", f"client:{AWAY}/32"}


def test_memory_is_bounded(guesses: Guesses) -> None:
    """X5"""
    for number in range(MAX_TALLIES):
        guesses.failed(f"n{number}", "203.0.113.1", str(number).encode(), 0)
    assert len(guesses._tallies) <= MAX_TALLIES
    for number in range(2 * MAX_NETWORKS):
        guesses.succeeded("ada", f"10.0.{number}.1", number)
    assert len(guesses._known["ada"]) == MAX_NETWORKS
    fail(guesses, "ada", AWAY, 3)
    assert not guesses.blocked("ada", f"10.0.{2 * MAX_NETWORKS - 1}.1", 1)
    assert guesses.blocked("ada", "10.0.0.1", 1)


def test_other_limits_count_from_what_was(guesses: Guesses) -> None:
    fail(guesses, "ada", AWAY, 3)
    guesses.adopt(GuessLimits(per_account=4, per_client=50))
    assert not guesses.blocked("ada", AWAY, 1)
    fail(guesses, "ada", "203.0.113.9", 1)
    assert guesses.blocked("ada", AWAY, 1)


def test_networks() -> None:
    assert network_of("192.0.2.7") == "192.0.2.0/24"
    assert network_of("2001:db8::7") == "2001:db8::/64"
    assert network_of("local") == "local"
    assert network_of("") == ""
