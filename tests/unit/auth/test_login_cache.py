"""The memory of successful logins."""

from hypothesis import assume, given
from hypothesis import strategies as st
from postroom.auth.login_cache import MAX_REMEMBERED, LoginCache

TRIPLES = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
MEMORY = LoginCache(300)


@given(TRIPLES, TRIPLES)
def test_no_login_is_taken_for_another(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """X16: not even when the parts written one after the other look the same."""
    assume(one != other)
    assert MEMORY.digest(*one) != MEMORY.digest(*other)


def test_a_digest_is_good_for_its_time_and_in_its_process() -> None:
    memory = LoginCache(300)
    digest = memory.digest("ada", "verifier", "secret")
    assert not memory.holds(digest, 0)
    memory.keep(digest, 0)
    assert memory.holds(digest, 299)
    assert not memory.holds(digest, 300)
    assert digest != LoginCache(300).digest("ada", "verifier", "secret")


def test_it_can_be_switched_off() -> None:
    memory = LoginCache(0)
    memory.keep(b"x", 0)
    assert not memory.holds(b"x", 0)


def test_memory_is_bounded() -> None:
    memory = LoginCache(300)
    for number in range(MAX_REMEMBERED + 10):
        memory.keep(number.to_bytes(4, "big"), 0)
    assert not memory.holds((0).to_bytes(4, "big"), 1)
    assert memory.holds((MAX_REMEMBERED + 9).to_bytes(4, "big"), 1)
