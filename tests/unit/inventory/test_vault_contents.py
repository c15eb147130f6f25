"""Secrets are made once: what is there stays, what is missing comes."""

from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .conftest import load

vault = load("playbooks/filter_plugins/vault_contents.py")


def test_everything_is_made_when_there_is_nothing(company: dict[str, Any]) -> None:
    made = vault.completed({}, [company])
    assert set(made["first_passwords"]["Alpha"]) == {"ada", "mary"}
    assert set(made["dkim_keys"]["alpha.example"]) == {"rsa1", "ed1"}
    assert len(bytes.fromhex(made["srs_secret"])) == 32


def test_nothing_changes_when_nothing_is_missing(company: dict[str, Any]) -> None:
    made = vault.completed({}, [company])
    assert vault.completed(made, [company]) == made


def test_a_new_person_gets_a_password_and_others_keep_theirs(company: dict[str, Any]) -> None:
    made = vault.completed({}, [company])
    company["people"]["bob"] = {}
    more = vault.completed(made, [company])
    assert more["first_passwords"]["Alpha"]["ada"] == made["first_passwords"]["Alpha"]["ada"]
    assert len(more["first_passwords"]["Alpha"]["bob"]) == 19


def test_keys_of_a_removed_domain_stay_and_passwords_of_removed_people_go(company: dict[str, Any]) -> None:
    made = vault.completed({}, [company])
    del company["people"]["mary"]
    company["domains"] = {"new.example": {"home": "mail.alpha.example"}}
    less = vault.completed(made, [company])
    assert set(less["first_passwords"]["Alpha"]) == {"ada"}
    assert set(less["dkim_keys"]) == {"alpha.example", "new.example"}


def test_what_others_keep_in_the_vault_stays(company: dict[str, Any]) -> None:
    assert vault.completed({"tls_ca": {"key": "K"}}, [company])["tls_ca"] == {"key": "K"}


def test_the_size_of_rsa_keys_is_the_companys_wish(company: dict[str, Any]) -> None:
    company["dkim_rsa_bits"] = 3072
    key = vault.completed({}, [company])["dkim_keys"]["alpha.example"]["rsa1"]
    assert load_pem_private_key(key.encode(), None).key_size == 3072
