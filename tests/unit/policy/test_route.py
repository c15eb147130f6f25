"""Routing over a dict: what each kind of address leads to."""

import pytest
from postroom.contracts.directory import Account, Domain, Entry, Kind
from postroom.contracts.errors import MailError, NoSuchRecipient, NotOurDomain, RecipientDisabled
from postroom.contracts.queue import Hop
from postroom.mail.address import parse_address
from postroom.policy.route import Ask, Destination, Reason, Route, route

HOST = "mail.alpha.example"
ADA = Account("ada", "ada@alpha.example")
BOB = Account("bob", "bob@alpha.example")
GONE = Account("gone", "gone@alpha.example", enabled=False)
DOMAINS = {
    "alpha.example": Domain("alpha.example", HOST),
    "alias.example": Domain("alias.example", HOST, alias_of="alpha.example"),
    "catch.example": Domain("catch.example", HOST, catch_all=("ada@alpha.example",)),
    "else.example": Domain("else.example", "mail.else.example"),
    HOST: Domain(HOST, HOST),
}


def _alias(address: str, *members: str, kind: Kind = Kind.ALIAS, owner: str = "") -> Entry:
    return Entry(address, kind, members=members, owner=owner)


ENTRIES = {
    entry.address: entry
    for entry in (
        Entry("ada@alpha.example", Kind.ACCOUNT, ADA),
        Entry("bob@alpha.example", Kind.ACCOUNT, BOB),
        Entry("gone@alpha.example", Kind.ACCOUNT, GONE),
        Entry("eve@else.example", Kind.ACCOUNT, Account("eve", "eve@else.example")),
        Entry("odd+tag@alpha.example", Kind.ACCOUNT, BOB),
        _alias("team@alpha.example", "ada@alpha.example", "bob@alpha.example"),
        _alias("all@alpha.example", "team@alpha.example", "ada@alpha.example", "x@outside.example"),
        _alias("one@alpha.example", "two@alpha.example"),
        _alias("two@alpha.example", "one@alpha.example"),
        _alias("half@alpha.example", "gone@alpha.example", "bob@alpha.example"),
        _alias("news@alpha.example", "x@outside.example", kind=Kind.LIST, owner="news-owner@alpha.example"),
        _alias("postmaster@mail.alpha.example", "ada@alpha.example"),
    )
}


def routed(address: str, may_relay: bool = False) -> Route:
    steps = route(parse_address(address), HOST, may_relay)
    try:
        need = next(steps)
        while True:
            need = steps.send((DOMAINS if need.what is Ask.DOMAIN else ENTRIES).get(need.key))
    except StopIteration as end:
        return end.value


def outcome(address: str, may_relay: bool = False) -> tuple[Destination, ...] | MailError:
    found = routed(address, may_relay)
    return found.refusal or found.destinations


def reached(address: str, may_relay: bool = False) -> list[str]:
    found = outcome(address, may_relay)
    assert isinstance(found, tuple), found
    return sorted(str(destination.address) for destination in found)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@alpha.example", ["ada@alpha.example"]),
        ("ADA@Alpha.Example", ["ADA@alpha.example"]),
        ("ada+tag@alpha.example", ["ada+tag@alpha.example"]),
        ("odd+tag@alpha.example", ["odd+tag@alpha.example"]),
        ("ada@alias.example", ["ada@alpha.example"]),
        ("bob+@alpha.example", ["bob+@alpha.example"]),
        ("team@alpha.example", ["ada@alpha.example", "bob@alpha.example"]),
        ("all@alpha.example", ["ada@alpha.example", "bob@alpha.example", "x@outside.example"]),
        ("half@alpha.example", ["bob@alpha.example"]),
        ("anything@catch.example", ["ada@alpha.example"]),
        ("postmaster@alpha.example", ["ada@alpha.example"]),
        ("Postmaster@else.example", ["ada@alpha.example"]),
    ],
)
def test_an_address_leads_to(address: str, expected: list[str]) -> None:
    assert reached(address) == expected


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("nobody@alpha.example", NoSuchRecipient),
        ("nobody@alias.example", NoSuchRecipient),
        ("gone@alpha.example", RecipientDisabled),
        ("x@outside.example", NotOurDomain),
        ("x@[192.0.2.1]", NotOurDomain),
    ],
)
def test_an_address_is_refused(address: str, error: type[MailError]) -> None:
    assert isinstance(outcome(address), error)


def test_x33_alias_cycles_end() -> None:
    assert isinstance(outcome("one@alpha.example"), NoSuchRecipient)


def test_logins_may_send_anywhere() -> None:
    found = outcome("x@outside.example", may_relay=True)
    assert isinstance(found, tuple)
    assert [(d.hop, d.host, d.forwarded) for d in found] == [(Hop.WORLD, "outside.example", False)]


def test_what_is_sent_on_outside_is_marked_for_srs() -> None:
    found = outcome("all@alpha.example")
    assert isinstance(found, tuple)
    assert {d.address.domain: d.forwarded for d in found} == {"alpha.example": False, "outside.example": True}


def test_a_list_sends_in_its_owners_name() -> None:
    found = outcome("news@alpha.example")
    assert isinstance(found, tuple)
    assert [d.sender for d in found] == ["news-owner@alpha.example"]


def test_another_home_host_is_a_hop() -> None:
    found = outcome("eve@else.example")
    assert isinstance(found, tuple)
    assert [(d.hop, d.host) for d in found] == [(Hop.HOME, "mail.else.example")]


def steps_to(address: str, may_relay: bool = False) -> dict[str, list[Reason]]:
    """The reasons for each destination, by its address."""
    found = routed(address, may_relay)
    return {str(one.address): [step.reason for step in one.via] for one in found.destinations}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@alpha.example", {"ada@alpha.example": [Reason.MAILBOX]}),
        ("ada+tag@alpha.example", {"ada+tag@alpha.example": [Reason.SUBADDRESS, Reason.MAILBOX]}),
        ("odd+tag@alpha.example", {"odd+tag@alpha.example": [Reason.MAILBOX]}),
        (
            "ada+x@alias.example",
            {"ada+x@alpha.example": [Reason.DOMAIN_ALIAS, Reason.SUBADDRESS, Reason.MAILBOX]},
        ),
        ("eve@else.example", {"eve@else.example": [Reason.HOME]}),
        ("anything@catch.example", {"ada@alpha.example": [Reason.CATCH_ALL, Reason.MAILBOX]}),
        (
            "postmaster@alpha.example",
            {"ada@alpha.example": [Reason.POSTMASTER, Reason.ALIAS, Reason.MAILBOX]},
        ),
        ("news@alpha.example", {"x@outside.example": [Reason.LIST, Reason.FORWARDED]}),
        ("half@alpha.example", {"bob@alpha.example": [Reason.ALIAS, Reason.MAILBOX]}),
    ],
)
def test_every_destination_says_how_it_was_reached(address: str, expected: dict[str, list[Reason]]) -> None:
    assert steps_to(address) == expected


def test_what_a_login_sends_outside_says_so() -> None:
    assert steps_to("x@outside.example", may_relay=True) == {"x@outside.example": [Reason.RELAYED]}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("nobody@alpha.example", [[Reason.UNKNOWN]]),
        ("nobody@alias.example", [[Reason.DOMAIN_ALIAS, Reason.UNKNOWN]]),
        ("gone@alpha.example", [[Reason.DISABLED]]),
        ("x@outside.example", [[Reason.NOT_OURS]]),
        ("one@alpha.example", [[Reason.ALIAS, Reason.ALIAS, Reason.SEEN]]),
        ("half@alpha.example", [[Reason.ALIAS, Reason.DISABLED]]),
        ("all@alpha.example", [[Reason.ALIAS, Reason.ALIAS, Reason.SEEN]]),
    ],
)
def test_what_leads_nowhere_says_why(address: str, expected: list[list[Reason]]) -> None:
    assert [[step.reason for step in via] for via in routed(address).dead_ends] == expected


def test_a_step_names_what_it_led_to() -> None:
    (news,) = routed("news@alpha.example").destinations
    first, last = news.via
    assert (str(first.address), first.to) == ("news@alpha.example", ("x@outside.example",))
    assert first.sender == "news-owner@alpha.example"
    assert (str(last.address), last.to) == ("x@outside.example", ("outside.example",))
