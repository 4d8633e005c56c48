"""What rests is sealed to its place, and keys of rows cannot be joined."""

import pytest

from shared.errors import Broken
from shared.storage.sealing import KeyRing, Pseudonyms

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_sealed_opens_in_its_place() -> None:
    ring = KeyRing({"k1": OLD})
    assert ring.open(ring.seal("+16085550101", "Visits", "p", "r"), "Visits", "p", "r") == "+16085550101"


@pytest.mark.parametrize("place", [("Visits", "p", "other"), ("Texts", "p", "r"), ("Visits", "p", "r", "x"), ()])
def test_a_value_copied_elsewhere_does_not_open(place: tuple[str, ...]) -> None:
    sealed = KeyRing({"k1": OLD}).seal("secret", "Visits", "p", "r")
    with pytest.raises(Broken):
        KeyRing({"k1": OLD}).open(sealed, *place)


def test_a_key_can_be_added_used_and_dropped() -> None:
    sealed = KeyRing({"k1": OLD}).seal("x", "here")
    both = KeyRing({"k2": NEW, "k1": OLD})
    assert both.open(sealed, "here") == "x"
    assert both.seal("x", "here").startswith("k2.")
    with pytest.raises(Broken):
        KeyRing({"k2": NEW}).open(sealed, "here")


def test_a_relabelled_key_id_does_not_open() -> None:
    sealed = KeyRing({"k1": OLD}).seal("x", "here")
    with pytest.raises(Broken):
        KeyRing({"k1": OLD, "k2": OLD}).open("k2." + sealed.partition(".")[2], "here")


def test_the_same_text_is_never_sealed_alike() -> None:
    ring = KeyRing({"k1": OLD})
    assert ring.seal("x", "here") != ring.seal("x", "here")


def test_pseudonyms_of_one_value_differ_by_purpose_scope_and_secret() -> None:
    some = {
        Pseudonyms(secret).of(purpose, scope, "900100")
        for secret in (OLD, NEW)
        for purpose in ("csn", "phone")
        for scope in ("a", "b")
    }
    assert len(some) == 8
    assert Pseudonyms(OLD).of("csn", "a", "900100") in some
