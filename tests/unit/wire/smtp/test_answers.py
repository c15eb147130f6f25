"""The table of refusals is complete and consistent."""

from collections.abc import Iterator

from postroom.contracts import errors
from postroom.wire.smtp.answers import ANSWERS, answer


def kinds(root: type[errors.MailError]) -> Iterator[type[errors.MailError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def test_every_refusal_has_an_answer() -> None:
    listed = {kind for kind in kinds(errors.MailError) if kind.__module__ == errors.__name__}
    assert set(ANSWERS) == listed
    for error, reply in ANSWERS.items():
        assert error.temporary == (reply.code < 500), error
        assert reply.enhanced[0] == str(reply.code)[0], error


def test_policy_brings_its_own_words() -> None:
    assert str(answer(errors.PolicyRefused("no"))) == "550 5.7.1 no"
    assert answer(errors.NoSuchRecipient("secret")) is ANSWERS[errors.NoSuchRecipient]
