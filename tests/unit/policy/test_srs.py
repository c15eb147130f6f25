"""Sender rewriting: there and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.policy.srs import BadHash, Expired, NotSrs, Rewriter, SrsError

DAY = 86_400
NOW = 20_780 * DAY + 5000
SECRET, OLDER = b"0123456789abcdef", b"fedcba9876543210"
BETA = Rewriter("beta.example", (SECRET,))
GAMMA = Rewriter("gamma.example", (OLDER,))

locals_ = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9=+-]{1,10})?", fullmatch=True)
domains = st.from_regex(r"[A-Za-z0-9]{1,10}(\.[A-Za-z0-9-]{0,5}[a-z]){1,3}", fullmatch=True)
addresses = st.builds("{}@{}".format, locals_, domains)


@given(addresses)
def test_there_and_back(address: str) -> None:
    rewritten = BETA.forward(address, NOW)
    assert rewritten.endswith("@beta.example")
    if not address.upper().startswith(("SRS0", "SRS1")):
        assert BETA.reverse(rewritten, NOW) == address


@pytest.mark.parametrize("local", ["a..b", "a.", ".a", "a.b.", "SRS0=x=y=z.example=a..b", "SRS0+a."])
def test_dots_in_any_place_go_there_and_back(local: str) -> None:
    address = f'"{local}"@docomo_1.example'
    rewritten = BETA.forward(address, NOW)
    assert BETA.is_srs(rewritten)
    assert BETA.reverse(rewritten, NOW) == address


@given(addresses, st.integers(0, 2))
def test_lost_case_does_not_matter(address: str, form: int) -> None:
    rewritten = BETA.forward(address, NOW)
    changed = (rewritten.lower(), rewritten.upper(), rewritten.swapcase())[form]
    assert BETA.reverse(changed, NOW).lower() == BETA.reverse(rewritten, NOW).lower()


@given(addresses)
def test_a_second_forwarder_leads_back_to_the_first(address: str) -> None:
    first = GAMMA.forward(address, NOW)
    second = BETA.forward(first, NOW)
    assert second.startswith("SRS1=")
    assert BETA.reverse(second, NOW) == first
    assert GAMMA.reverse(BETA.reverse(second, NOW), NOW) == GAMMA.reverse(first, NOW)


def test_a_third_forwarder_leads_back_to_the_first_and_adds_nothing() -> None:
    first = GAMMA.forward("ada@alpha.example", NOW)
    second = Rewriter("delta.example", (SECRET,)).forward(first, NOW)
    third = BETA.forward(second, NOW)
    assert len(third) <= len(second)
    assert BETA.reverse(third, NOW) == first


@pytest.mark.parametrize("address", ["", "ada@beta.example", "ada@BETA.example"])
def test_what_needs_no_rewriting_stays(address: str) -> None:
    assert BETA.forward(address, NOW) == address


@pytest.mark.parametrize(
    "address", ["ada", "@x.example", "a@", "a@[192.0.2.1]", '"a b"@x.example', "a b@x.example"]
)
def test_what_cannot_be_rewritten_is_refused(address: str) -> None:
    with pytest.raises(SrsError):
        BETA.forward(address, NOW)


@pytest.mark.parametrize(
    "address", ["\r\n@x.example", "a\x00@x.example", "a@x\r\n.example", "\u00e9@x.example"]
)
def test_x10_no_control_character_is_rewritten(address: str) -> None:
    with pytest.raises(SrsError):
        BETA.forward(address, NOW)


def test_an_address_is_good_for_three_weeks() -> None:
    rewritten = BETA.forward("ada@alpha.example", NOW)
    assert BETA.reverse(rewritten, NOW + 21 * DAY) == "ada@alpha.example"
    assert BETA.reverse(rewritten, NOW - DAY) == "ada@alpha.example"
    for when in (NOW + 22 * DAY, NOW + 500 * DAY, NOW - 2 * DAY):
        with pytest.raises(Expired):
            BETA.reverse(rewritten, when)


@given(st.integers(0, 4_000_000_000), st.integers(0, 21 * DAY))
def test_the_day_may_wrap_around(now: int, later: int) -> None:
    assert BETA.reverse(BETA.forward("ada@alpha.example", now), now + later) == "ada@alpha.example"


def test_secrets_rotate() -> None:
    old = Rewriter("beta.example", (OLDER,)).forward("ada@alpha.example", NOW)
    rotated = Rewriter("beta.example", (SECRET, OLDER))
    assert rotated.reverse(old, NOW) == "ada@alpha.example"
    assert rotated.forward("ada@alpha.example", NOW) == BETA.forward("ada@alpha.example", NOW)
    with pytest.raises(BadHash):
        BETA.reverse(old, NOW)


@given(st.integers(5, 40), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567=@."))
def test_a_changed_address_is_not_led_back_elsewhere(place: int, character: str) -> None:
    """Nobody can bend an address of ours so that bounces go where he likes."""
    rewritten = BETA.forward("ada@alpha.example", NOW)
    bent = rewritten[:place] + character + rewritten[place + 1 :]
    try:
        assert BETA.reverse(bent, NOW) == "ada@alpha.example"
    except SrsError:
        return
    assert bent.lower() == rewritten.lower()


@pytest.mark.parametrize(
    "address",
    [
        "ada@beta.example",
        "SRS0=a@beta.example",
        "SRS0=a=b=c@beta.example",
        "SRS1==@beta.example",
        "SRS2=a@beta.example",
    ],
)
def test_what_is_no_srs_address_is_told(address: str) -> None:
    with pytest.raises(NotSrs):
        BETA.reverse(address, NOW)


def test_srs_of_another_domain_is_not_ours() -> None:
    theirs = GAMMA.forward("ada@alpha.example", NOW)
    assert GAMMA.is_srs(theirs)
    assert not BETA.is_srs(theirs)
    with pytest.raises(NotSrs):
        BETA.reverse(theirs, NOW)


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    for address in (text, f"SRS0={text}@beta.example", f"SRS1={text}@beta.example"):
        with pytest.raises(SrsError):
            BETA.reverse(address, NOW)


def test_the_form_is_the_one_that_others_know() -> None:
    assert re.fullmatch(
        r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}=alpha\.example=ada@beta\.example",
        BETA.forward("ada@alpha.example", NOW),
    )


def test_weak_settings_are_refused() -> None:
    for secrets, days in (((), 21), ((b"short",), 21), ((SECRET,), 0), ((SECRET,), 600)):
        with pytest.raises(ValueError, match="SRS"):
            Rewriter("beta.example", secrets, days)


def test_a_rewriter_does_not_show_its_secrets() -> None:
    assert "0123456789" not in repr(BETA)
