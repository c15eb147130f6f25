"""Routing with a directory: what mta and msa share."""

from pathlib import Path

import pytest
from postroom.contracts.directory import Account, Domain, Entry, Kind, Rights
from postroom.contracts.errors import NoSuchRecipient, NotOurDomain
from postroom.contracts.queue import Hop
from postroom.mail.address import Address, parse_address, parse_path
from postroom.runtime.clock import SystemClock
from postroom.runtime.config import ConfigError
from postroom.smtpd.routing import DirectoryRouter, read_srs_secrets

HOST = "mail.alpha.example"


class Names:
    """A Directory in two dictionaries."""

    def __init__(self, domains: dict[str, Domain], entries: dict[str, Entry]) -> None:
        self.domains, self.entries = domains, entries

    async def domain(self, name: str) -> Domain | None:
        return self.domains.get(name)

    async def entry(self, address: str) -> Entry | None:
        return self.entries.get(address)

    async def account(self, account_id: str) -> Account | None:
        return None

    async def login(self, name: str) -> Account | None:
        return None

    async def rights(self, account_id: str) -> Rights:
        return Rights()


def router(*, secrets: tuple[bytes, ...] = (), addresses: tuple[str, ...] = ()) -> DirectoryRouter:
    domains = {name: Domain(name, HOST) for name in ("alpha.example", "gamma.example")}
    ada = Account("id-ada", "ada@alpha.example")
    entries = {
        "ada@alpha.example": Entry("ada@alpha.example", Kind.ACCOUNT, ada),
        "postmaster@alpha.example": Entry(
            "postmaster@alpha.example", Kind.ALIAS, members=("ada@alpha.example",)
        ),
        "out@alpha.example": Entry("out@alpha.example", Kind.ALIAS, members=("x@outside.example",)),
        "list@alpha.example": Entry(
            "list@alpha.example",
            Kind.LIST,
            members=("x@outside.example", "ada@alpha.example"),
            owner="own@alpha.example",
        ),
    }
    return DirectoryRouter(Names(domains, entries), HOST, SystemClock(), secrets, addresses)


@pytest.mark.parametrize("relay", [False, True])
@pytest.mark.parametrize(
    "domain", ["[127.0.0.1]", "[IPv6:::1]", "[ipv6:0:0:0:0:0:0:0:1]", "[192.0.2.7]", "[IPv6:2001:DB8:0::7]"]
)
async def test_the_hosts_own_address_literals_are_local(domain: str, relay: bool) -> None:
    """RFC 1123 section 5.2.17"""
    found = router(addresses=("192.0.2.7", "2001:db8::7"))
    for name in ("ada", "Ada", "postmaster"):
        (row,) = await found.route(parse_path(f"{name}@{domain}"), "", relay=relay)
        assert (row.account, row.hop, row.address.lower()) == ("id-ada", Hop.MAILBOX, "ada@alpha.example")
        assert row.original == f"{name}@{domain.lower()}"
    with pytest.raises(NoSuchRecipient):
        await found.route(parse_path(f"nobody@{domain}"), "", relay=relay)


async def test_address_literals_of_others_are_outside() -> None:
    for domain in ("[192.0.2.8]", "[999.1.1.1]", "[0.0.0.0]"):
        with pytest.raises(NotOurDomain):
            await router(addresses=("192.0.2.7",)).route(parse_path(f"ada@{domain}"), "", relay=False)


async def test_dots_in_a_sender_survive_being_sent_on() -> None:
    rewriting = router(secrets=(b"a secret of some length",))
    (rewritten,) = await senders(rewriting, "out@alpha.example", '"a..b"@docomo_1.example')
    assert rewritten is not None
    assert rewritten.startswith('"SRS0=')
    (row,) = await rewriting.route(parse_path(rewritten), "", relay=False)
    assert row.address == '"a..b"@docomo_1.example'


async def senders(found: DirectoryRouter, address: str, sender: str) -> set[str | None]:
    return {row.sender for row in await found.route(parse_address(address), sender, relay=False)}


async def test_postmaster_without_a_domain_when_the_host_has_none() -> None:
    (row,) = await router().route(Address("postmaster", ""), "", relay=False)
    assert row.account == "id-ada"


async def test_postmaster_of_nothing() -> None:
    with pytest.raises(NoSuchRecipient):
        await DirectoryRouter(Names({}, {}), HOST, SystemClock()).route(
            Address("postmaster", ""), "", relay=False
        )


async def test_senders_of_what_goes_on() -> None:
    rewriting = router(secrets=(b"sixteen octets or more",))
    (srs,) = await senders(rewriting, "out@alpha.example", "y@elsewhere.example")
    assert srs is not None
    assert srs.startswith("SRS0=")
    assert await senders(rewriting, "out@alpha.example", "") == {None}
    assert await senders(rewriting, "out@alpha.example", "eve@gamma.example") == {None}
    assert await senders(router(), "out@alpha.example", "y@elsewhere.example") == {None}
    assert await senders(rewriting, "list@alpha.example", "y@elsewhere.example") == {"own@alpha.example"}


async def test_only_those_who_may_relay_reach_the_world() -> None:
    with pytest.raises(NotOurDomain):
        await router().route(parse_address("x@outside.example"), "", relay=False)
    (row,) = await router().route(parse_address("x@outside.example"), "", relay=True)
    assert (row.hop, row.destination) == ("world", "outside.example")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short\n", b"a long enough secret\n\xff"])
def test_bad_secrets_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "srs").write_bytes(content)
    with pytest.raises(ConfigError, match="srs_secrets_file"):
        read_srs_secrets(str(tmp_path / "srs"))


def test_secrets(tmp_path: Path) -> None:
    (tmp_path / "srs").write_bytes(b"0123456789abcdef-new\n0123456789abcdef-old\n")
    assert read_srs_secrets(str(tmp_path / "srs")) == (b"0123456789abcdef-new", b"0123456789abcdef-old")
    assert read_srs_secrets("") == ()
    with pytest.raises(ConfigError):
        read_srs_secrets(str(tmp_path / "missing"))


async def test_a_list_keeps_the_null_sender() -> None:
    """A report to a list whose members refuse it must not be reported to the list's owner, perhaps the list."""
    assert await senders(router(), "list@alpha.example", "y@elsewhere.example") == {"own@alpha.example"}
    assert await senders(router(), "list@alpha.example", "") == {None}


async def test_what_was_rewritten_goes_back_to_long_senders_too() -> None:
    rewriting = router(secrets=(b"sixteen octets or more",))
    for sender in (
        f"{'bounces-' * 9}42@elsewhere.example",
        f"SRS0=hash=ab=first.example={'y' * 60}@fw.example",
    ):
        (rewritten,) = await senders(rewriting, "out@alpha.example", sender)
        assert rewritten is not None
        (row,) = await rewriting.route(parse_path(rewritten), "", relay=False)
        assert row.address == sender
