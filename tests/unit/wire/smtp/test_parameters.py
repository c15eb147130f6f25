"""Values of MAIL's and RCPT's parameters."""

import pytest
from postroom.wire.smtp import parameters
from postroom.wire.smtp.commands import CommandError


@pytest.mark.parametrize(("text", "octets"), [("0", 0), ("52428800", 52_428_800), ("9" * 20, int("9" * 20))])
def test_size(text: str, octets: int) -> None:
    assert parameters.size(text) == octets


@pytest.mark.parametrize("text", ["", "-1", "1k", "9" * 21])
def test_a_size_that_is_no_number(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parameters.size(text)
    assert caught.value.reply is parameters.BAD_SIZE


@pytest.mark.parametrize(("text", "value"), [("7bit", "7BIT"), ("8BitMime", "8BITMIME")])
def test_body(text: str, value: str) -> None:
    assert parameters.body(text) == value


@pytest.mark.parametrize("text", ["", "BINARYMIME"])
def test_a_body_that_is_not_offered(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parameters.body(text)
    assert caught.value.reply is parameters.BAD_BODY
