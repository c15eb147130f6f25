"""Tag lists, RFC 6376 section 3.2."""

import pytest
from postroom.policy.dkim.taglist import TagError, base64_value, items, parse_tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("v=1", {"v": "1"}),
        ("v=1; a=rsa-sha256;", {"v": "1", "a": "rsa-sha256"}),
        (" v\t=\r\n 1 ;\r\n\tb_2 = x=y== ", {"v": "1", "b_2": "x=y=="}),
        ("p=", {"p": ""}),
        ("V=1; v=2", {"V": "1", "v": "2"}),
        ("a=1;;b=2; ;", {"a": "1", "b": "2"}),
    ],
)
def test_lists_are_read(text: str, tags: dict[str, str]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("v", "without a value"),
        ("v=1; junk", "without a value"),
        ("=1", "bad tag name"),
        ("1a=1", "bad tag name"),
        ("a b=1", "bad tag name"),
        ("ä=1", "bad tag name"),
        ("v=1; v=1", "given twice"),
    ],
)
def test_faults_are_named(text: str, fault: str) -> None:
    with pytest.raises(TagError, match=fault):
        parse_tags(text)


def test_base64_may_be_folded_anywhere() -> None:
    assert base64_value("aG\r\n\tVs bG8=", "b") == b"hello"


@pytest.mark.parametrize("text", ["a", "aGVs*bG8=", "aGVsbG8", "ä"])
def test_what_is_not_base64_is_named(text: str) -> None:
    with pytest.raises(TagError, match="tag bh is not base64"):
        base64_value(text, "bh")


def test_items_are_lower_case_and_without_space() -> None:
    assert items("From : To:\r\n Subject") == ("from", "to", "subject")
