"""Names of accounts and mailboxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.contracts.errors import MailboxNameInvalid, Unavailable
from postroom.store.names import account_folder, mailbox_name, parents


@pytest.mark.parametrize("name", ["a", "0", "ada.lovelace_1-x", "a" * 64])
def test_account_ids(name: str) -> None:
    assert account_folder(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "A", "a/b", "a\n", "\u00e4", "a" * 65, "_a", "-a", "a b", "a\0"]
)
def test_x21_what_is_no_account_id(name: str) -> None:
    with pytest.raises(Unavailable):
        account_folder(name)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("inbox", "INBOX"),
        ("Inbox/a", "INBOX/a"),
        ("a/inbox", "a/inbox"),
        ("A\u030a", "\u00c5"),
        ("a b", "a b"),
        ("...", "..."),
    ],
)
def test_mailbox_names(given_: str, kept: str) -> None:
    assert mailbox_name(given_) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "*",
        "a%b",
        "\x7f",
        "a\u2028b",
        "\ud800",
        "\u202ea",
        "../x",
        "a/..",
        "a" * 256,
    ],
)
def test_x21_what_is_no_mailbox_name(name: str) -> None:
    with pytest.raises(MailboxNameInvalid):
        mailbox_name(name)


def test_x11_length_is_judged_before_anything_else() -> None:
    with pytest.raises(MailboxNameInvalid):
        mailbox_name("\u0344" * 1_000_000)


@given(st.text(max_size=50))
def test_a_kept_name_stays_as_it_is(text: str) -> None:
    try:
        name = mailbox_name(text)
    except MailboxNameInvalid:
        return
    assert mailbox_name(name) == name
    assert len(name.encode()) <= 1000


def test_parents() -> None:
    assert parents("a/b/c") == ["a", "a/b"]
    assert parents("a") == []
