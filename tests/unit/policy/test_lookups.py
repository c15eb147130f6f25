from postroom.policy.lookups import Answer, Lookups, LookupStatus, Mx, Query, RecordType, answer_with, ask


def test_a_policy_gets_its_answers_in_the_order_of_its_questions() -> None:
    def policy() -> Lookups[list[str]]:
        one = yield from ask("a.example", RecordType.A)
        both = yield Query("b.example", RecordType.A), Query("c.example", RecordType.A)
        return [name for answer in (one, *both) for name in answer.names]

    heard = answer_with(policy(), lambda query: Answer(LookupStatus.FOUND, (query.name,)))
    assert heard == ["a.example", "b.example", "c.example"]


def test_a_policy_may_ask_nothing() -> None:
    def policy() -> Lookups[int]:
        return 7
        yield

    assert answer_with(policy(), lambda query: Answer(LookupStatus.NXDOMAIN)) == 7


def test_records_are_told_apart_by_kind() -> None:
    answer = Answer(LookupStatus.FOUND, (b"text", "192.0.2.1", Mx(20, "b.example"), Mx(10, "a.example")))
    assert answer.texts == (b"text",)
    assert answer.names == ("192.0.2.1",)
    assert answer.exchanges == (Mx(10, "a.example"), Mx(20, "b.example"))


def test_only_empty_answers_are_void() -> None:
    void = {status for status in LookupStatus if Answer(status).void}
    assert void == {LookupStatus.NODATA, LookupStatus.NXDOMAIN}
