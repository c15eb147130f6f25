"""Queue ids: their order is that of their times, and only one spelling of them is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.ids import is_queue_id, number_of, queue_id

MILLISECONDS = st.integers(0, (1 << 48) - 1)
NOISE = st.binary(min_size=10, max_size=10)


@given(MILLISECONDS, NOISE)
def test_an_id_holds_its_time_and_all_of_its_noise(now: int, noise: bytes) -> None:
    made = queue_id(now, noise)
    assert is_queue_id(made)
    assert number_of(made) == now << 80 | int.from_bytes(noise, "big")


@given(MILLISECONDS, NOISE, MILLISECONDS, NOISE)
def test_ids_sort_by_time(first: int, noise: bytes, second: int, other: bytes) -> None:
    assert (queue_id(first, noise) < queue_id(second, other)) == ((first, noise) < (second, other))


@pytest.mark.parametrize("octets", [0, 9, 11])
def test_noise_of_another_length_is_refused(octets: int) -> None:
    with pytest.raises(ValueError, match="10 octets"):
        queue_id(0, bytes(octets))


@pytest.mark.parametrize(
    "text",
    ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "\n", "0" * 25 + "A", "../" + "0" * 23]
    + ["0" * 25 + letter for letter in "ilou"],
)
def test_x21_other_texts_are_no_ids(text: str) -> None:
    assert not is_queue_id(text)
