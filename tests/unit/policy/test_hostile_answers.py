"""Name servers answer what they like: every policy ends, within its budget, with one of its results."""

from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postroom.mail.headermailboxes import author
from postroom.mail.headers import read_headers
from postroom.policy.authres import authentication_results, dkim_results, dmarc_result, spf_result
from postroom.policy.dkim import DkimResult, DkimVerdict, verify
from postroom.policy.dmarc import DmarcResult, evaluate
from postroom.policy.lookups import Answer, LookupStatus, Mx, Query, answer_with
from postroom.policy.spf import SpfResult, check_sender

PIECES = [
    b"v=spf1",
    b" a mx ptr",
    b" include:%{d}",
    b" include:x.example",
    b" exists:%{l}.%{p}.%{d}",
    b" redirect=y.example",
    b" exp=%{s}",
    b"v=DMARC1; p=reject;",
    b"psd=y;",
    b"v=DKIM1; p=",
    b"k=ed25519;",
    b"\x00",
    b"\xff",
    b"\r\n",
    b"%{z}",
]
texts = st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join)
names = st.text("a.-_\\\x00\u00e9 ", max_size=12) | st.sampled_from(
    ["192.0.2.3", "::1", "x.example", "." * 300]
)
records = texts | names | st.builds(Mx, st.integers(-1, 70_000), names)
answers = st.builds(
    Answer, st.sampled_from(LookupStatus), st.lists(records, max_size=12).map(tuple), st.booleans()
) | st.builds(lambda text: Answer(LookupStatus.FOUND, (text,)), texts)
MESSAGE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; b=AAAA;\r\n"
    b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed\r\nFrom: a@b.a.example\r\n\r\n"
)


class Counting:
    """Drawn answers; the questions are counted and must be ones that DNS can carry."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.count = 0

    def __call__(self, query: Query) -> Answer:
        self.count += 1
        assert 0 < len(query.name) <= 253 + len("_dmarc.")
        assert query.name.isascii()
        assert query.name.isprintable()
        return self.data.draw(answers)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.data(), st.sampled_from(["a@a.example", "", "\x00@a.example", "a b@a.example", "a@-.example"]))
def test_x32_spf_ends_within_its_budget(data: st.DataObject, sender: str) -> None:
    asked = Counting(data)
    policy = check_sender(ip_address("192.0.2.3"), sender, "h.a.example", receiver="r", now=0)
    verdict = answer_with(policy, asked)
    assert verdict.result in SpfResult
    # Ten terms, each with ten hosts at most, the records themselves, and an explanation.
    assert asked.count <= 1 + 10 * 12 + 12
    authentication_results("mail.beta.example", [spf_result(verdict)])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_x32_dkim_and_dmarc_end_within_their_budget(data: st.DataObject) -> None:
    asked = Counting(data)
    found = answer_with(verify(MESSAGE, now=0), asked)
    assert asked.count <= 8
    assert {one.result for one in found} <= set(DkimResult) - {DkimResult.PASS}
    asked.count = 0
    passed = [DkimVerdict(DkimResult.PASS, f"n{n}.a.example", "s") for n in range(8)]
    verdict = answer_with(evaluate(author(read_headers(MESSAGE)), None, passed), asked)
    assert verdict.result in DmarcResult
    assert asked.count <= 8 * 9 + 3
    authentication_results("mail.beta.example", [*dkim_results(found), dmarc_result(verdict)])
