"""Documents that are refused, and what is said of them."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.directory.problems import DirectoryRefused
from postroom.directory.reading import read_document

GOOD: dict[str, Any] = {
    "version": 1,
    "domains": [
        {"name": "a.example", "home": "mail.a.example"},
        {"name": "a.org", "home": "mail.a.example", "alias_of": "a.example"},
        {"name": "c.example", "home": "mail.a.example", "catch_all": ["ada@a.example"]},
    ],
    "accounts": [
        {"id": "ada", "address": "ada@a.example", "addresses": ["al@a.example"], "password": "s3cret"},
        {"id": "bob", "address": "bob@a.example"},
    ],
    "aliases": [
        {
            "address": "info@a.example",
            "members": ["ada@a.org", "bob+box@a.example", "x@other.test", "any@c.example"],
        }
    ],
    "lists": [{"address": "all@a.example", "members": ["info@a.example"], "owner": "ada@a.example"}],
    "teams": [{"address": "sales@a.example", "members": ["bob@a.example"]}],
}
Spoil = Callable[[dict[str, Any]], object]


def refused(document: object) -> list[tuple[str, str]]:
    octets = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(DirectoryRefused) as caught:
        read_document(octets)
    return [(problem.path, problem.remedy) for problem in caught.value.problems]


def test_the_good_one_is_good() -> None:
    document = read_document(json.dumps(GOOD).encode())
    assert document.aliases[0].members[0] == "ada@a.org"


def test_members_outside_may_have_addresses_that_we_would_not_give() -> None:
    document = copy.deepcopy(GOOD)
    document["aliases"][0]["members"] = ["A..b@docomo_1.example.", "a.@docomo.example", "bob+@a.example"]
    members = read_document(json.dumps(document).encode()).aliases[0].members
    assert list(members) == ['"a..b"@docomo_1.example', '"a."@docomo.example', "bob+@a.example"]


FAULTS: list[tuple[Spoil, str, str]] = [
    (lambda d: d.update(version=2), "version", "give 1"),
    (lambda d: d.pop("version"), "version", "missing"),
    (lambda d: d.update(people=[]), "people", "unknown field"),
    (lambda d: d["accounts"][0].update(quota="1G"), "accounts[0].quota", "unknown field"),
    (lambda d: d["accounts"][1].update(quota_bytes="1G"), "accounts[1].quota_bytes", "expected int"),
    (lambda d: d["accounts"][1].update(quota_bytes=-1), "accounts[1].quota_bytes", "0 for no limit"),
    (lambda d: d["accounts"][1].update(quota_bytes=2**60), "accounts[1].quota_bytes", "0 for no limit"),
    (
        lambda d: d["accounts"][1].update(limits={"messages_per_day": -5}),
        "accounts[1].limits.messages_per_day",
        "0",
    ),
    (lambda d: d["accounts"][1].update(limits={"per_day": 5}), "accounts[1].limits.per_day", "unknown field"),
    (lambda d: d["accounts"][1].update(state="gone"), "accounts[1].state", "invalid enum"),
    (lambda d: d["accounts"][1].update(id="Bob"), "accounts[1].id", "a-z"),
    (lambda d: d["accounts"][1].update(id="../ada"), "accounts[1].id", "a-z"),
    (lambda d: d["accounts"][1].update(id="ada"), "accounts[1].id", "already the id of accounts[0]"),
    (lambda d: d["accounts"][1].update(name="B\nob"), "accounts[1].name", "printable"),
    (lambda d: d["accounts"][1].update(address="bob"), "accounts[1].address", "local@domain"),
    (
        lambda d: d["accounts"][1].update(address="bob@b.example"),
        "accounts[1].address",
        "unknown domain b.example",
    ),
    (lambda d: d["accounts"][1].update(addresses=["b@a.org"]), "accounts[1].addresses[0]", "alias domain"),
    (
        lambda d: d["accounts"][1].update(addresses=["AL@a.example"]),
        "accounts[1].addresses[0]",
        "already the address",
    ),
    (
        lambda d: d["accounts"][1].update(addresses=["bob@a.example"]),
        "accounts[1].addresses[0]",
        "already the address",
    ),
    (
        lambda d: d["accounts"][1].update(rights={"send_as": ["x@b.test"]}),
        "accounts[1].rights.send_as[0]",
        "unknown domain",
    ),
    (lambda d: d["accounts"][1].update(password="\0"), "accounts[1].password", "NUL"),
    (lambda d: d["accounts"].append("bob"), "accounts[2]", "give an object"),
    (lambda d: d.update(accounts={}), "accounts", "expected array"),
    (lambda d: d["domains"][0].update(name="a_b.example"), "domains[0].name", "letters, digits"),
    (lambda d: d["domains"][0].update(home="mail host"), "domains[0].home", "letters, digits"),
    (lambda d: d["domains"][0].update(separator="++"), "domains[0].separator", "give one of"),
    (lambda d: d["domains"][0].update(selectors=["s 1"]), "domains[0].selectors[0]", "DKIM selector"),
    (lambda d: d["domains"].append(d["domains"][0]), "domains[3].name", "named twice"),
    (
        lambda d: d["domains"][1].update(home="mail.b.example"),
        "domains[1].home",
        "the home host of a.example",
    ),
    (lambda d: d["domains"][1].update(alias_of="b.example"), "domains[1].alias_of", "unknown domain"),
    (
        lambda d: d["domains"][2].update(alias_of="a.org", catch_all=[]),
        "domains[2].alias_of",
        "is an alias itself",
    ),
    (lambda d: d["domains"][1].update(catch_all=["ada@a.example"]), "domains[1].catch_all", "leave it out"),
    (lambda d: d["domains"][2].update(catch_all=["eve@a.example"]), "domains[2].catch_all[0]", "nobody has"),
    (lambda d: d["domains"][2].update(catch_all=["eve@c.example"]), "domains[2].catch_all[0]", "nobody has"),
    (
        lambda d: d["aliases"][0].update(address="ada@a.example"),
        "aliases[0].address",
        "already the address of accounts[0]",
    ),
    (
        lambda d: d["accounts"][0].update(address="a..b@a.example"),
        "accounts[0].address",
        "malformed local part",
    ),
    (lambda d: d["accounts"][0].update(address="ada@a.example."), "accounts[0].address", "not a domain name"),
    (lambda d: d["aliases"][0].update(members=[]), "aliases[0].members", "at least one"),
    (lambda d: d["aliases"][0].update(members=["eve@a.example"]), "aliases[0].members[0]", "nobody has"),
    (lambda d: d["aliases"][0].update(members=["nonsense"]), "aliases[0].members[0]", "local@domain"),
    (lambda d: d["aliases"][0].update(members=[7]), "aliases[0].members[0]", "expected str"),
    (
        lambda d: d["aliases"][0].update(members=["info@a.org"]),
        "aliases[0].members[0]",
        "circle: info@a.example -> info",
    ),
    (lambda d: d["aliases"][0].update(members=["all@a.example"]), "lists[0].members[0]", "circle"),
    (lambda d: d["lists"][0].update(owner="eve@a.example"), "lists[0].owner", "nobody has"),
    (lambda d: d["lists"][0].pop("owner"), "lists[0].owner", "missing"),
    (lambda d: d["teams"][0].update(rights={"send_as": "yes"}), "teams[0].rights.send_as", "expected bool"),
]


@pytest.mark.parametrize(
    ("spoil", "path", "remedy"), FAULTS, ids=[f"{n}-{f[1]}" for n, f in enumerate(FAULTS)]
)
def test_a_fault_is_told_with_path_and_remedy(spoil: Spoil, path: str, remedy: str) -> None:
    document = copy.deepcopy(GOOD)
    spoil(document)
    found = refused(document)
    assert [said for said in found if said[0] == path and remedy in said[1]], found


def test_all_faults_are_told_at_once() -> None:
    document = copy.deepcopy(GOOD)
    document["accounts"][0]["quota_bytes"] = -1
    document["accounts"][1]["address"] = "bob@b.example"
    document["domains"][0]["separator"] = "xx"
    assert {"accounts[0].quota_bytes", "accounts[1].address", "domains[0].separator"} <= {
        p for p, _ in refused(document)
    }
    document["accounts"][0]["one"] = document["lists"][0]["two"] = 1
    document["teams"][0]["members"] = None
    assert {p for p, _ in refused(document)} == {"accounts[0].one", "lists[0].two", "teams[0].members"}


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"[]", b"null", b"\xff", b'{"version": 1, "version": 2}', b"[" * 100_000]
)
def test_what_is_no_document(octets: bytes) -> None:
    assert refused(octets)


def test_passwords_are_never_told() -> None:
    document = copy.deepcopy(GOOD)
    document["accounts"][0]["password"] = ["hunter2"]
    with pytest.raises(DirectoryRefused) as caught:
        read_document(json.dumps(document).encode())
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.problems)


def test_a_deleted_account_needs_no_domain_any_more_and_keeps_nothing() -> None:
    document = copy.deepcopy(GOOD)
    document["accounts"].append({"id": "old", "address": "old@gone.example", "name": "O", "state": "deleted"})
    old = read_document(json.dumps(document).encode()).accounts[2]
    assert (old.id, old.name, old.password) == ("old", "", "")


def test_long_chains_are_followed_without_recursion() -> None:
    document = copy.deepcopy(GOOD)
    names = [f"n{number}@a.example" for number in range(5000)]
    document["aliases"] += [
        {"address": name, "members": [after]}
        for name, after in zip(names, [*names[1:], "ada@a.example"], strict=True)
    ]
    read_document(json.dumps(document).encode())
    document["aliases"][-1]["members"] = [names[0]]
    assert len(refused(document)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD) + ["id", "name"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_json_breaks_the_reader(document: object) -> None:
    try:
        read_document(json.dumps(document).encode())
    except DirectoryRefused as refusal:
        assert refusal.problems
