"""The verdict on a login. GuessLimits: 4 failures per account, 6 per client."""

import asyncio

import pytest
from postroom.auth.hashing import Hasher
from postroom.auth.judge import Judge, LoginOutcome, LoginVerdict
from postroom.auth.login_cache import LoginCache
from postroom.auth.pool import HashPool
from postroom.wire.sasl import Plain

from .conftest import PEOPLE, Parts, write_directory

HOME, AWAY = "192.0.2.7", "198.51.100.9"


async def judged(parts: Parts, name: str, password: str, client: str = HOME) -> LoginOutcome:
    return (await parts.judge.judge(Plain(f"{name}@a.example", password), client)).outcome


async def test_the_right_password_is_accepted_and_names_the_account(parts: Parts) -> None:
    verdict = await parts.judge.judge(Plain("ADA@A.Example", PEOPLE["ada"]), HOME)
    assert verdict.outcome is LoginOutcome.ACCEPTED
    assert verdict.account is not None
    assert verdict.account.id == "ada"


async def test_wrong_unknown_disabled_and_without_password_get_one_answer(parts: Parts) -> None:
    """X14"""
    write_directory(parts.folder, disabled=("bob",))
    parts.clock.seconds += 10
    attempts = [("ada", "wrong"), ("nobody", "wrong"), ("bob", PEOPLE["bob"]), ("nopassword", "")]
    verdicts = [
        await parts.judge.judge(Plain(f"{name}@a.example", password), f"192.0.{number}.1")
        for number, (name, password) in enumerate(attempts)
    ]
    assert set(verdicts) == {LoginVerdict(LoginOutcome.REFUSED)}


async def test_guessing_is_blocked_also_for_the_right_password_and_for_names_nobody_has(parts: Parts) -> None:
    for name in ("ada", "nobody"):
        for number in range(4):
            assert await judged(parts, name, f"guess {number}", f"203.0.{number}.1") is LoginOutcome.REFUSED
        assert await judged(parts, name, PEOPLE.get(name, "x"), "203.0.99.1") is LoginOutcome.THROTTLED
    parts.clock.seconds += 600
    assert await judged(parts, "ada", PEOPLE["ada"], "203.0.99.1") is LoginOutcome.ACCEPTED


async def test_a_parallel_guesser_gains_nothing(parts: Parts) -> None:
    """S9: the count is looked at again when a thread is free, so a thousand at once are no thousand tries."""
    guesses = [judged(parts, "ada", f"guess {number}", AWAY) for number in range(60)]
    outcomes = await asyncio.gather(*guesses)
    assert outcomes.count(LoginOutcome.REFUSED) <= 4 + 2  # the limit, and one for each thread
    assert outcomes.count(LoginOutcome.REFUSED) + outcomes.count(LoginOutcome.THROTTLED) == 60


async def test_the_owner_still_comes_in_from_where_he_always_does(parts: Parts) -> None:
    assert await judged(parts, "ada", PEOPLE["ada"], HOME) is LoginOutcome.ACCEPTED
    for number in range(20):
        await judged(parts, "ada", f"guess {number}", AWAY)
        await judged(parts, f"n{number}", "x", HOME)
    assert await judged(parts, "ada", PEOPLE["ada"], AWAY) is LoginOutcome.THROTTLED
    assert await judged(parts, "ada", PEOPLE["ada"], "192.0.2.250") is LoginOutcome.ACCEPTED


async def test_a_remembered_login_costs_no_hash_and_a_new_password_ends_it_at_once(parts: Parts) -> None:
    class Counting(Hasher):
        calls = 0

        def matches(self, password: str, verifier: str) -> bool:
            Counting.calls += 1
            return super().matches(password, verifier)

    hasher = Counting(8, 1, 1)
    parts.judge.pool = HashPool(hasher, 2, 100)
    for _ in range(5):
        assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.ACCEPTED
    assert Counting.calls == 1
    parts.secrets.set("ada", hasher.make("new"), 2)
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.REFUSED
    assert await judged(parts, "ada", "new") is LoginOutcome.ACCEPTED


async def test_a_disabled_account_is_out_at_once_though_remembered(parts: Parts) -> None:
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.ACCEPTED
    write_directory(parts.folder, disabled=("ada",))
    parts.clock.seconds += 1
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.REFUSED


async def test_a_hundred_people_at_once_are_each_themselves(parts: Parts) -> None:
    """X16"""
    names = ["ada", "bob"] * 50
    wrong = {"ada": PEOPLE["bob"], "bob": PEOPLE["ada"]}
    right = [parts.judge.judge(Plain(f"{name}@a.example", PEOPLE[name]), HOME) for name in names]
    crossed = [parts.judge.judge(Plain(f"{name}@a.example", wrong[name]), HOME) for name in names]
    verdicts = await asyncio.gather(*right, *crossed)
    accounts = [verdict.account.id if verdict.account else None for verdict in verdicts]
    assert accounts == [*names, *[None] * 100]


async def test_a_verifier_of_old_parameters_is_renewed_when_its_owner_comes(parts: Parts) -> None:
    parts.secrets.set("ada", Hasher(16, 1, 1).make("x"), 1)
    assert await judged(parts, "ada", "x") is LoginOutcome.ACCEPTED
    assert not parts.hasher.outdated(parts.secrets.verifier("ada") or "")
    assert await judged(parts, "ada", "x") is LoginOutcome.ACCEPTED


async def test_without_directory_or_secrets_the_answer_is_temporary(parts: Parts) -> None:
    (parts.folder / "directory.db").rename(parts.folder / "aside.db")
    parts.clock.seconds += 10
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.UNAVAILABLE
    (parts.folder / "aside.db").rename(parts.folder / "directory.db")
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.ACCEPTED
    parts.secrets.close()
    (parts.folder / "secrets.db").write_bytes(b"something else entirely" * 100)
    assert await judged(parts, "ada", PEOPLE["ada"]) is LoginOutcome.UNAVAILABLE


async def test_too_many_waiting_passwords_are_a_temporary_failure(parts: Parts) -> None:
    parts.judge.pool = HashPool(parts.hasher, 1, 3)
    outcomes = await asyncio.gather(*(judged(parts, "ada", str(n), f"10.0.{n}.1") for n in range(10)))
    assert outcomes.count(LoginOutcome.UNAVAILABLE) == 7


async def test_unknown_names_cost_the_same_hash_as_wrong_passwords(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X14: one hash each, by the same parameters over the same lengths."""
    hasher = Hasher(4096, 1, 1)
    checked: list[tuple[str, str]] = []
    real = hasher.matches
    monkeypatch.setattr(hasher, "matches", lambda *given: checked.append(given) or real(*given))
    parts.secrets.set("ada", hasher.make("right"), 1)
    judge = Judge(
        parts.judge.directory,
        parts.secrets,
        HashPool(hasher, 1, 9),
        parts.guesses,
        LoginCache(0),
        parts.clock,
    )
    shapes = []
    for name in ("ada", "nobody"):
        verdict = await judge.judge(Plain(f"{name}@a.example", "wrong"), HOME)
        assert verdict.outcome is LoginOutcome.REFUSED
        ((password, verifier),) = checked
        checked.clear()
        *parameters, salt, digest = verifier.split("$")
        shapes.append((password, parameters, len(salt), len(digest)))
    assert shapes[0] == shapes[1]
