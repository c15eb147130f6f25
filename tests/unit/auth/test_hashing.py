"""Verifiers."""

import pytest
from passlib.hash import argon2
from postroom.auth.hashing import Hasher, prepared


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(8, 1, 1)


def test_a_verifier_fits_its_password_only(hasher: Hasher) -> None:
    verifier = hasher.make("secret")
    assert verifier.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert hasher.matches("secret", verifier)
    assert not hasher.matches("Secret", verifier)
    assert verifier != hasher.make("secret")


def test_nobodys_verifier_costs_the_same_and_fits_nothing(hasher: Hasher) -> None:
    """X14"""
    assert argon2.identify(hasher.dummy)
    assert not hasher.outdated(hasher.dummy)
    assert len(hasher.dummy) == len(hasher.make("x"))
    assert not hasher.matches("", hasher.dummy)


@pytest.mark.parametrize("verifier", ["", "secret", "$argon2id$", "$6$a$b", "$argon2id$v=19$m=8,t=1,p=1$a$b"])
def test_what_is_no_verifier_fits_nothing(hasher: Hasher, verifier: str) -> None:
    assert not hasher.matches("secret", verifier)


def test_other_parameters_are_outdated(hasher: Hasher) -> None:
    assert hasher.outdated(Hasher(16, 1, 1).make("x"))
    assert not hasher.outdated(hasher.make("x"))


def test_one_password_typed_on_two_systems_is_one_password(hasher: Hasher) -> None:
    assert hasher.matches("Gru\u0308n\u00a0x", hasher.make("Gr\u00fcn x"))
    assert prepared("plain") == "plain"
    assert len(prepared("\ufdfa" * 1_000_000)) < 20_000
