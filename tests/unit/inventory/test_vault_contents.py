"""Secrets are made once: what is there stays, what is missing comes."""

from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .conftest import load

vault = load("plugins/filter/vault_contents.py")
records = load("plugins/filter/records.py")


def completed(
    existing: dict[str, Any], companies: list[dict[str, Any]], today: str = "2026-11-23", **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = vault.completed(existing, companies, today, **more)
    return found


def test_everything_is_made_when_there_is_nothing(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    assert set(made["first_passwords"]["Alpha"]) == {"ada", "mary"}
    assert set(made["dkim_keys"]["alpha.example"]) == {"rsa1", "ed1"}
    assert len(bytes.fromhex(made["srs_secret"])) == 32


def test_nothing_changes_when_nothing_is_missing(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    assert completed(made, [company]) == made


def test_a_new_person_gets_a_password_and_others_keep_theirs(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    company["people"]["bob"] = {}
    more = completed(made, [company])
    assert more["first_passwords"]["Alpha"]["ada"] == made["first_passwords"]["Alpha"]["ada"]
    assert len(more["first_passwords"]["Alpha"]["bob"]) == 19


def test_passwords_of_deleted_people_go(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    company["people"]["mary"] = {"state": "deleted"}
    less = completed(made, [company])
    assert set(less["first_passwords"]["Alpha"]) == {"ada"}
    assert "former_first_passwords" not in less


def test_passwords_of_people_who_were_taken_out_are_set_aside_and_go_in_the_end(
    company: dict[str, Any],
) -> None:
    made = completed({}, [company])
    mary, password = company["people"].pop("mary"), made["first_passwords"]["Alpha"]["mary"]
    less = completed(made, [company], "2026-11-23")
    assert set(less["first_passwords"]["Alpha"]) == {"ada"}
    entry = {"left": "2026-11-23", "password": password}
    assert less["former_first_passwords"] == {"Alpha": {"mary": entry}}
    assert completed(less, [company], "2026-12-23") == less
    assert "former_first_passwords" not in completed(less, [company], "2026-12-24")
    assert vault.differences(made, less) == [
        "- first password of mary (Alpha)",
        "+ first password of mary (Alpha), who left on 2026-11-23: kept for 30 days",
    ]
    company["people"]["mary"] = mary
    assert completed(less, [company], "2026-12-23")["first_passwords"]["Alpha"]["mary"] == password
    late = completed(less, [company], "2026-12-24")
    assert late["first_passwords"]["Alpha"]["mary"] != password
    assert password not in str(late)
    gone = completed(less, [{**company, "people": {**company["people"], "mary": {"state": "deleted"}}}])
    assert password not in str(gone)


def test_people_of_a_company_that_was_taken_out_are_set_aside_too(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    other = {**company, "name": "Beta", "people": {}, "domains": {}}
    less = completed(made, [other])
    assert set(less["former_first_passwords"]["Alpha"]) == {"ada", "mary"}
    assert completed(less, [company, other])["first_passwords"]["Alpha"] == made["first_passwords"]["Alpha"]


def test_ids_change_with_the_password_and_tell_nothing_without_the_key() -> None:
    first = vault.password_ids({"ada": "one", "bob": "one"}, "key")
    assert len(set(first.values())) == 2
    assert vault.password_ids({"ada": "one"}, "key") == {"ada": first["ada"]}
    assert vault.password_ids({"ada": "two"}, "key") != {"ada": first["ada"]}
    assert vault.password_ids({"ada": "one"}, "another") != {"ada": first["ada"]}


def test_keys_of_a_domain_that_left_are_set_aside_and_go_in_the_end(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    old = company["domains"]
    company["domains"] = {"new.example": {"home": "mail.alpha.example"}}
    less = completed(made, [company], "2026-11-23")
    assert set(less["dkim_keys"]) == {"new.example"}
    entry = {"left": "2026-11-23", "keys": made["dkim_keys"]["alpha.example"]}
    assert less["former_dkim_keys"] == {"alpha.example": entry}
    assert completed(less, [company], "2026-12-23") == less
    assert "former_dkim_keys" not in completed(less, [company], "2026-12-24")
    back = completed(less, [{**company, "domains": old}], "2026-12-01")
    assert back["dkim_keys"]["alpha.example"] == made["dkim_keys"]["alpha.example"]
    assert set(back["former_dkim_keys"]) == {"new.example"}


def test_check_mode_draws_no_keys_and_says_so_in_the_record(company: dict[str, Any]) -> None:
    found = completed({}, [company], draw=False)["dkim_keys"]["alpha.example"]
    assert set(found) == {"rsa1", "ed1"}
    assert records.dkim_record(found["ed1"]) == "v=DKIM1; k=ed25519; p=(the run will make this key)"
    assert records.dkim_record(found["rsa1"]).startswith("v=DKIM1; k=rsa; p=(")


def test_what_changes_is_told_without_secrets(company: dict[str, Any]) -> None:
    made = completed({}, [company])
    company["people"]["mary"]["state"] = "deleted"
    company["domains"]["new.example"] = {"home": "mail.alpha.example"}
    said = vault.differences(made, completed(made, [company]))
    assert said == [
        "- first password of mary (Alpha)",
        "+ DKIM key ed1 of new.example",
        "+ DKIM key rsa1 of new.example",
    ]
    secrets = list(made["first_passwords"]["Alpha"].values())
    assert not any(secret in line for secret in secrets for line in vault.differences({}, made))


def test_what_others_keep_in_the_vault_stays(company: dict[str, Any]) -> None:
    assert completed({"tls_ca": {"key": "K"}}, [company])["tls_ca"] == {"key": "K"}


def test_the_size_of_rsa_keys_is_the_companys_wish(company: dict[str, Any]) -> None:
    company["dkim_rsa_bits"] = 3072
    key = completed({}, [company])["dkim_keys"]["alpha.example"]["rsa1"]
    assert load_pem_private_key(key.encode(), None).key_size == 3072
