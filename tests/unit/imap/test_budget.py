"""Room for large messages: which session gets it, and which waits."""

import asyncio

import pytest
from postroom.imap.budget import Budget


def started(budget: Budget, account: str, octets: int) -> asyncio.Task[None]:
    return asyncio.ensure_future(budget.take(account, octets))


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_comes_first_is_served_first() -> None:
    budget = Budget(100)
    await budget.take("ada", 80)
    large, small = started(budget, "bob", 90), started(budget, "eve", 10)
    await settled()
    assert not large.done()
    assert not small.done()
    budget.give_back("ada", 80)
    await large
    await small
    assert budget.held == 100


async def test_one_account_leaves_room_for_others() -> None:
    budget = Budget(100)
    await budget.take("ada", 20)
    greedy, other = started(budget, "ada", 20), started(budget, "bob", 50)
    await other
    assert not greedy.done()
    budget.give_back("ada", 20)
    await greedy


async def test_a_message_larger_than_all_room_gets_all_of_it() -> None:
    budget = Budget(100)
    await budget.take("ada", 500)
    assert budget.held == 100
    budget.give_back("ada", 500)
    assert budget.held == 0


async def test_who_gives_up_holds_nothing() -> None:
    budget = Budget(100)
    await budget.take("ada", 100)
    waiting, next_ = started(budget, "bob", 90), started(budget, "eve", 90)
    await settled()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.waiting == 1
    budget.give_back("ada", 100)
    await next_
    budget.give_back("eve", 90)
    assert budget.held == 0
