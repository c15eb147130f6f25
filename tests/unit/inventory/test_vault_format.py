"""A vault of format 1 becomes one of format 2, and loses nothing that is in use."""

import copy
from typing import Any

import pytest

from .conftest import load

vault = load("plugins/plugin_utils/vault_contents.py")
form = load("plugins/plugin_utils/vault_format.py")
drawing = load("plugins/plugin_utils/drawing.py")
company_secrets = load("plugins/filter/company_secrets.py")
TODAY = "2026-11-23"


def pems() -> dict[str, str]:
    return {
        name: drawing.Drawn().dkim_key(algorithm, 2048)
        for name, algorithm in (("rsa1", "rsa"), ("ed1", "ed25519"))
    }


@pytest.fixture
def company(company: dict[str, Any]) -> dict[str, Any]:
    """A company as it was before companies had an id."""
    return {key: value for key, value in company.items() if key != "id"}


@pytest.fixture(scope="module")
def old() -> dict[str, Any]:
    """A vault as 0.1 wrote it: two companies, a person and a domain that were taken out."""
    return {
        "srs_secret": "5" * 64,
        "first_password_key": "key",
        "first_passwords": {"Alpha": {"ada": "ada-word", "mary": "mary-word"}, "Gone": {"zoe": "zoe-word"}},
        "former_first_passwords": {"Alpha": {"bob": {"left": "2026-11-10", "password": "bob-word"}}},
        "dkim_keys": {"alpha.example": pems(), "lost.example": pems()},
        "former_dkim_keys": {"old.example": {"left": "2026-11-10", "keys": pems()}},
        "tls_ca": {"names": ["alpha.example"], "key": "K", "certificate": "C"},
    }


@pytest.fixture
def new(old: dict[str, Any], company: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(old)
    found: dict[str, Any] = vault.completed(
        form.upgraded(old, [company], TODAY), [company], TODAY, drawing.Drawn()
    )
    assert old == before
    return found


def test_people_keep_their_first_passwords(new: dict[str, Any]) -> None:
    entry = new["companies"]["Alpha"]
    assert entry["first_passwords"] == {"ada": "ada-word", "mary": "mary-word"}
    assert entry["former_first_passwords"] == {"bob": {"left": "2026-11-10", "password": "bob-word"}}
    assert new["companies"]["Gone"]["former_first_passwords"] == {
        "zoe": {"left": TODAY, "password": "zoe-word"}
    }
    assert new["first_password_key"] == "key"
    assert new["tls_ca"]["key"] == "K"


def test_mail_is_signed_with_the_same_keys(old: dict[str, Any], new: dict[str, Any]) -> None:
    entry = new["companies"]["Alpha"]
    assert company_secrets.signing_keys(entry["dkim_keys"]) == {
        "alpha.example": old["dkim_keys"]["alpha.example"]
    }
    assert entry["dkim_keys"]["alpha.example"]["ed1"]["algorithm"] == "ed25519"
    assert entry["former_dkim_keys"]["old.example"]["left"] == "2026-11-10"
    assert entry["former_dkim_keys"]["lost.example"]["left"] == TODAY


def test_a_domain_that_comes_back_is_signed_with_the_keys_from_before(
    old: dict[str, Any], new: dict[str, Any], company: dict[str, Any]
) -> None:
    company["domains"]["old.example"] = {"home": "mail.alpha.example"}
    back = vault.completed(new, [company], TODAY, drawing.Drawn())["companies"]["Alpha"]
    assert (
        company_secrets.signing_keys(back["dkim_keys"])["old.example"]
        == old["former_dkim_keys"]["old.example"]["keys"]
    )


def test_addresses_under_way_stay_valid_while_new_ones_are_signed_with_a_secret_of_the_companys_own(
    old: dict[str, Any], new: dict[str, Any], company: dict[str, Any]
) -> None:
    signs, accepted = company_secrets.srs_secrets(new["companies"]["Alpha"])
    assert accepted == old["srs_secret"]
    assert signs != accepted
    late = vault.completed(new, [company], "2026-12-24", drawing.Drawn())
    assert company_secrets.srs_secrets(late["companies"]["Alpha"]) == [signs]


def test_the_second_run_changes_nothing(new: dict[str, Any], company: dict[str, Any]) -> None:
    assert vault.completed(form.upgraded(new, [company], TODAY), [company], TODAY, drawing.Drawn()) == new


def test_a_company_that_has_an_id_by_now_is_found_by_its_name(
    old: dict[str, Any], company: dict[str, Any]
) -> None:
    found = form.upgraded(old, [{**company, "id": "alpha"}], TODAY)
    assert found["companies"]["alpha"]["first_passwords"] == {"ada": "ada-word", "mary": "mary-word"}


def test_an_empty_vault_has_nothing_to_bring() -> None:
    assert form.upgraded({}, [], TODAY) == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"format": 3}, "the vault has format 3, and this release reads formats 1 and 2"),
        (
            {
                "companies": {
                    "a": {"dkim_keys": {"a.example": {"s": {"state": "old"}, "t": {"state": "active"}}}}
                }
            },
            "DKIM key s of a.example has the state 'old', which is none of published, active, retired",
        ),
        (
            {"companies": {"a": {"dkim_keys": {"a.example": {"s": {"state": "retired"}}}}}},
            "no DKIM key of a.example is active, so its mail would leave without a signature",
        ),
    ],
)
def test_what_people_wrote_wrongly_into_the_vault_is_said(given: dict[str, Any], expected: str) -> None:
    assert list(form.faults({"format": 2, **given})) == [expected]
