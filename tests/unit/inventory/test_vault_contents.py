"""Secrets are made once: what is there stays, what is missing comes."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .conftest import load

vault = load("plugins/plugin_utils/vault_contents.py")
drawing = load("plugins/plugin_utils/drawing.py")
differences = load("plugins/plugin_utils/vault_names.py").differences
company_secrets = load("plugins/filter/company_secrets.py")
records = load("plugins/filter/records.py")
Vault = dict[str, Any]


def completed(
    existing: Vault, companies: list[dict[str, Any]], today: str = "2026-11-23", draw: Any = None
) -> Vault:
    found: Vault = vault.completed(existing, companies, today, draw or drawing.Drawn())
    return found


@pytest.fixture
def company(company: dict[str, Any]) -> dict[str, Any]:
    """A company as it was before companies had an id."""
    return {key: value for key, value in company.items() if key != "id"}


@pytest.fixture
def made(company: dict[str, Any]) -> Vault:
    """A vault with all that the company needs."""
    return completed({}, [company])


def alpha(found: Vault, section: str = "first_passwords") -> Any:
    return found["companies"]["Alpha"][section]


def test_everything_is_made_when_there_is_nothing(made: Vault) -> None:
    assert made["format"] == 2
    assert set(alpha(made)) == {"ada", "mary"}
    keys = alpha(made, "dkim_keys")["alpha.example"]
    assert {name: (key["algorithm"], key["state"], key["since"]) for name, key in keys.items()} == {
        "rsa1": ("rsa", "active", "2026-11-23"),
        "ed1": ("ed25519", "active", "2026-11-23"),
    }
    assert len(bytes.fromhex(alpha(made, "srs_secret"))) == 32


def test_companies_share_no_secret(company: dict[str, Any]) -> None:
    other = {**company, "name": "Beta", "domains": {"beta.example": {"home": "mail.beta.example"}}}
    found = completed({}, [company, other])["companies"]
    assert found["Alpha"]["srs_secret"] != found["Beta"]["srs_secret"]
    assert list(found["Beta"]["dkim_keys"]) == ["beta.example"]
    assert not set(found["Alpha"]["first_passwords"].values()) & set(
        found["Beta"]["first_passwords"].values()
    )


def test_nothing_changes_when_nothing_is_missing(company: dict[str, Any], made: Vault) -> None:
    assert completed(made, [company], "2027-11-23") == made


def test_a_new_person_gets_a_password_and_others_keep_theirs(company: dict[str, Any], made: Vault) -> None:
    company["people"]["bob"] = {}
    more = completed(made, [company])
    assert alpha(more)["ada"] == alpha(made)["ada"]
    assert len(alpha(more)["bob"]) == 19


def test_passwords_of_deleted_people_go(company: dict[str, Any], made: Vault) -> None:
    company["people"]["mary"] = {"state": "deleted"}
    less = completed(made, [company])
    assert set(alpha(less)) == {"ada"}
    assert "former_first_passwords" not in less["companies"]["Alpha"]


def test_passwords_of_people_who_were_taken_out_are_set_aside_and_go_in_the_end(
    company: dict[str, Any], made: Vault
) -> None:
    mary, password = company["people"].pop("mary"), alpha(made)["mary"]
    less = completed(made, [company], "2026-11-23")
    assert set(alpha(less)) == {"ada"}
    entry = {"left": "2026-11-23", "password": password}
    assert alpha(less, "former_first_passwords") == {"mary": entry}
    assert completed(less, [company], "2026-12-23") == less
    assert password not in str(completed(less, [company], "2026-12-24"))
    assert differences(made, less) == [
        "- first password of mary (Alpha)",
        "+ first password of mary (Alpha), who left on 2026-11-23: kept for 30 days",
    ]
    company["people"]["mary"] = mary
    assert alpha(completed(less, [company], "2026-12-23"))["mary"] == password
    late = completed(less, [company], "2026-12-24")
    assert alpha(late)["mary"] != password
    assert password not in str(late)
    gone = completed(less, [{**company, "people": {**company["people"], "mary": {"state": "deleted"}}}])
    assert password not in str(gone)


def test_a_company_that_was_taken_out_comes_back_with_its_secrets_and_goes_in_the_end(
    company: dict[str, Any], made: Vault
) -> None:
    other = {**company, "name": "Beta", "people": {}, "domains": {}}
    less = completed(made, [other], "2026-11-23")
    assert set(alpha(less, "former_first_passwords")) == {"ada", "mary"}
    assert alpha(less, "left") == "2026-11-23"
    assert company_secrets.published_keys(less) == {}
    assert completed(less, [other], "2026-12-23") == less
    assert set(completed(less, [other], "2026-12-24")["companies"]) == {"Beta"}
    back = completed(less, [company, other], "2026-12-23")
    assert back["companies"]["Alpha"] == made["companies"]["Alpha"]


def test_a_company_that_is_given_an_id_keeps_its_secrets_whatever_its_name_becomes(
    company: dict[str, Any], made: Vault
) -> None:
    company["id"] = "alpha"
    found = completed(made, [company])
    assert found["companies"] == {"alpha": made["companies"]["Alpha"]}
    assert completed(found, [{**company, "name": "Alpha and Sons"}]) == found


def test_an_id_takes_nothing_from_another_company_whose_key_it_is(
    company: dict[str, Any], made: Vault
) -> None:
    other = {**company, "id": "Alpha", "name": "Another", "people": {}, "domains": {}}
    found = completed(made, [{**company, "id": "first"}, other])["companies"]
    assert set(found) == {"first", "Alpha"}
    assert found["Alpha"]["srs_secret"] == alpha(made, "srs_secret")


def test_a_domain_that_moves_to_another_company_brings_its_keys(company: dict[str, Any], made: Vault) -> None:
    other = {**company, "name": "Beta", "people": {}, "domains": company["domains"]}
    found = completed(made, [{**company, "domains": {}}, other])["companies"]
    assert found["Beta"]["dkim_keys"] == alpha(made, "dkim_keys")
    assert found["Alpha"]["dkim_keys"] == {}
    assert "former_dkim_keys" not in found["Alpha"]


def test_ids_change_with_the_password_and_tell_nothing_without_the_key() -> None:
    ids = company_secrets.password_ids
    first = ids({"ada": "one", "bob": "one"}, "key")
    assert len(set(first.values())) == 2
    assert ids({"ada": "one"}, "key") == {"ada": first["ada"]}
    assert ids({"ada": "two"}, "key") != {"ada": first["ada"]}
    assert ids({"ada": "one"}, "another") != {"ada": first["ada"]}


def test_keys_of_a_domain_that_left_are_set_aside_and_go_in_the_end(
    company: dict[str, Any], made: Vault
) -> None:
    old = company["domains"]
    company["domains"] = {"new.example": {"home": "mail.alpha.example"}}
    less = completed(made, [company], "2026-11-23")
    assert set(alpha(less, "dkim_keys")) == {"new.example"}
    entry = {"left": "2026-11-23", "keys": alpha(made, "dkim_keys")["alpha.example"]}
    assert alpha(less, "former_dkim_keys") == {"alpha.example": entry}
    assert completed(less, [company], "2026-12-23") == less
    assert "former_dkim_keys" not in completed(less, [company], "2026-12-24")["companies"]["Alpha"]
    back = completed(less, [{**company, "domains": old}], "2026-12-01")
    assert alpha(back, "dkim_keys") == alpha(made, "dkim_keys")
    assert set(alpha(back, "former_dkim_keys")) == {"new.example"}


def test_every_state_of_a_key_is_published_and_only_active_keys_sign(made: Vault) -> None:
    keys = alpha(made, "dkim_keys")["alpha.example"]
    keys["old"] = {**keys["rsa1"], "state": "retired"}
    keys["next"] = {**keys["rsa1"], "state": "published"}
    assert set(company_secrets.published_keys(made)["alpha.example"]) == {"rsa1", "ed1", "old", "next"}
    signing = company_secrets.signing_keys(alpha(made, "dkim_keys"))
    assert signing == {"alpha.example": {name: keys[name]["private_key"] for name in ("rsa1", "ed1")}}


def test_check_mode_draws_nothing_and_says_so_in_the_record(company: dict[str, Any]) -> None:
    found = completed({}, [company], draw=drawing.Undrawn())
    keys = alpha(found, "dkim_keys")["alpha.example"]
    assert records.dkim_record(keys["ed1"]) == "v=DKIM1; k=ed25519; p=(the run will make this key)"
    assert records.dkim_record(keys["rsa1"]).startswith("v=DKIM1; k=rsa; p=(")
    assert set(alpha(found).values()) == {"(the run will draw this password)"}
    assert alpha(found, "srs_secret") == found["first_password_key"] == "(the run will draw this secret)"


def test_what_changes_is_told_without_secrets(company: dict[str, Any], made: Vault) -> None:
    company["people"]["mary"]["state"] = "deleted"
    company["domains"]["new.example"] = {"home": "mail.alpha.example"}
    assert differences(made, completed(made, [company])) == [
        "- first password of mary (Alpha)",
        "+ DKIM key ed1 of new.example",
        "+ DKIM key rsa1 of new.example",
    ]
    everything = " ".join(differences({}, made))
    assert "secret of rewritten sender addresses (SRS) of Alpha" in everything
    assert not any(secret in everything for secret in [*alpha(made).values(), alpha(made, "srs_secret")])


def test_what_others_keep_in_the_vault_stays(company: dict[str, Any]) -> None:
    made = completed({"tls_ca": {"key": "K"}, "companies": {"Alpha": {"note": "N"}}}, [company])
    assert made["tls_ca"] == {"key": "K"}
    assert alpha(made, "note") == "N"


def test_the_size_of_rsa_keys_is_the_companys_wish(company: dict[str, Any]) -> None:
    company["dkim_rsa_bits"] = 3072
    key = alpha(completed({}, [company]), "dkim_keys")["alpha.example"]["rsa1"]["private_key"]
    assert load_pem_private_key(key.encode(), None).key_size == 3072
