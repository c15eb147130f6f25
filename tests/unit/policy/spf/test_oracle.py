"""pyspf and we judge the same zones."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
import spf as pyspf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from postroom.policy.lookups import Mx, answer_with
from postroom.policy.spf import check_sender

DOMAINS = ["one.example", "two.example", "three.example"]
CLIENTS = ["192.0.2.3", "192.0.2.77", "198.51.100.9", "2001:db8::1", "::ffff:192.0.2.3"]
HOSTS = {
    ("one.example", "A"): ["192.0.2.3"],
    ("one.example", "AAAA"): ["2001:db8::1"],
    ("two.example", "A"): ["192.0.2.77", "198.51.100.1"],
    ("two.example", "AAAA"): ["2001:db8::2"],
    ("three.example", "A"): ["203.0.113.1"],
    ("three.example", "AAAA"): ["2001:db8:9::2"],
    ("one.example", "MX"): [Mx(10, "two.example"), Mx(20, "three.example")],
    ("two.example", "MX"): [Mx(10, "one.example")],
    ("3.2.0.192.in-addr.arpa", "PTR"): ["one.example"],
    ("9.100.51.198.in-addr.arpa", "PTR"): ["two.example"],
    ("yes.one.example", "A"): ["127.0.0.2"],
    ("3.2.0.192.in-addr.one.example", "A"): ["127.0.0.2"],
    ("ada.one.example", "A"): ["127.0.0.2"],
}

qualifiers = st.sampled_from(["", "+", "-", "~", "?"])
domains = st.sampled_from(
    [*DOMAINS, "nowhere.example", "%{d}", "%{o}", "%{d2}", "yes.%{d}", "%{ir}.%{v}.%{o}"]
)
cidrs = st.sampled_from(["", "/24", "/32", "//64", "/16//48", "/0", "/33", "//129", "/08"])
mechanisms = st.one_of(
    st.just("all"),
    st.builds("a{}".format, cidrs),
    st.builds("a:{}{}".format, domains, cidrs),
    st.builds("mx{}".format, cidrs),
    st.builds("mx:{}{}".format, domains, cidrs),
    st.builds("include:{}".format, domains),
    st.builds("exists:{}".format, st.one_of(domains, st.sampled_from(["%{l}.one.example", "%{L1r-}.%{d}"]))),
    st.builds(
        "ip4:{}".format, st.sampled_from(["192.0.2.0/24", "192.0.2.3", "10.0.0.0/8", "1.2.3", "1.2.3.4/40"])
    ),
    st.builds("ip6:{}".format, st.sampled_from(["2001:db8::/48", "2001:db8::1", "::/0", "1::2::3"])),
    st.sampled_from(["ptr", "ptr:example", "ptr:one.example", "moo", "a:", "include:"]),
)
modifiers = st.sampled_from(
    ["redirect=two.example", "redirect=three.example", "x=y", "redirect=", "exp=%{d}.e.example"]
)
terms = st.one_of(*[st.builds("{}{}".format, qualifiers, mechanisms)] * 6, modifiers)
# pyspf refuses an unknown modifier that comes twice; RFC 7208 section 6 says that it is ignored however often.
records = (
    st.lists(terms, max_size=5)
    .filter(lambda parts: parts.count("x=y") < 2)
    .map(lambda parts: " ".join(["v=spf1", *parts]).encode())
)
zones = st.fixed_dictionaries({name: st.lists(records, min_size=1, max_size=1) for name in DOMAINS})


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    """The zone that pyspf asks; filled anew for each example."""
    table: dict = {}

    def look_up(name, kind, _strict=True, _timeout=20):
        records = table.get((name.lower(), kind), [])
        if kind == "TXT":
            return [((name, kind), [record]) for record in records]
        if kind == "MX":
            return [((name, kind), tuple(record)) for record in records]
        return [((name, kind), record) for record in records]

    monkeypatch.setattr(pyspf, "DNSLookup", look_up)
    return table


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=zones, client=st.sampled_from(CLIENTS), local=st.sampled_from(["ada", "a-b", "postmaster"]))
def test_same_result(rows, zone, texts, client, local) -> None:
    rows.clear()
    rows.update(HOSTS)
    rows.update({(name, "TXT"): found for name, found in texts.items()})
    sender = f"{local}@one.example"
    query = pyspf.query(i=client, s=sender, h="two.example", receiver="r", strict=True)
    expected, _, message = query.check()
    # pyspf refuses a record that includes itself behind a term that ends it; section 5.1 never gets there.
    assume("trivial recursion" not in message)
    policy = check_sender(ip_address(client), sender, "two.example", receiver="r", now=0)
    ours = answer_with(policy, zone(rows))
    assert ours.result == expected, (texts, client, ours)
