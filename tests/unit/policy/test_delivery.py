"""Which servers a domain's mail goes to."""

import pytest
from postroom.policy.delivery import NoRoute, addresses, exchanges, in_order, literal
from postroom.policy.lookups import Answer, LookupStatus, Mx, Query, RecordType, answer_with

OWN = frozenset({"mail.a.example"})


def answers(status: LookupStatus, *records: Mx) -> Answer:
    return Answer(status, records)


def keep(_: list[str]) -> None:
    """No shuffling."""


def test_mx_records_are_taken_in_order_and_equal_ones_shuffled() -> None:
    records = (Mx(20, "c.example"), Mx(10, "b.example"), Mx(10, "a.example"))
    assert in_order(records, OWN, keep, "x.example") == ["a.example", "b.example", "c.example"]
    assert in_order(records, OWN, list.reverse, "x.example") == ["b.example", "a.example", "c.example"]


def test_without_mx_the_domain_itself_is_the_server() -> None:
    assert answer_with(exchanges("b.example"), lambda _: answers(LookupStatus.NODATA)) == (
        Mx(0, "b.example"),
    )


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (answers(LookupStatus.FOUND, Mx(0, "")), 556, "5.1.10"),  # RFC 7505
        (answers(LookupStatus.NXDOMAIN), 550, "5.1.2"),
        (answers(LookupStatus.TEMPORARY), 451, "4.4.3"),
    ],
)
def test_domains_without_a_way(answer: Answer, code: int, status: str) -> None:
    with pytest.raises(NoRoute) as refusal:
        answer_with(exchanges("b.example"), lambda _: answer)
    assert (refusal.value.code, refusal.value.status) == (code, status)


def test_this_host_and_everything_worse_is_left_out() -> None:
    records = (Mx(5, "b.example"), Mx(10, "mail.a.example"), Mx(10, "c.example"), Mx(20, "d.example"))
    assert in_order(records, OWN, keep, "x.example") == ["b.example"]
    with pytest.raises(NoRoute) as refusal:
        in_order(records[1:], OWN, keep, "x.example")
    assert refusal.value.status == "5.4.6"


def test_addresses_alternate_between_families() -> None:
    zone = {RecordType.AAAA: ("::1", "::2"), RecordType.A: ("192.0.2.1",)}

    def resolve(query: Query) -> Answer:
        return Answer(LookupStatus.FOUND, zone[query.type])

    assert answer_with(addresses("b.example", ("ipv6", "ipv4")), resolve) == ("::1", "192.0.2.1", "::2")


@pytest.mark.parametrize(
    ("text", "address"),
    [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1"), ("b.example", None), ("[x]", None)],
)
def test_domain_literals(text: str, address: str | None) -> None:
    assert literal(text) == address
