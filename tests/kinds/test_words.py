"""What a typed word is taken for."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.kinds import words
from pipeline.kinds.words import meaning


def kinds(text: str) -> set[str]:
    names = words.names_of_kinds()
    return {names[kind] for kind in meaning(text).kinds}


def test_there_are_a_thousand_names_and_no_two_are_the_same() -> None:
    names = words.names_of_kinds()
    assert len(names) == len({words.folded(name) for name in names}) == 1000


@pytest.mark.parametrize(("text", "named"), [
    ("beagle", {"beagle"}),
    ("  A Photo of a BEAGLE! ", {"beagle"}),
    ("grand piano", {"grand piano"}),
    ("piano", {"grand piano", "upright"}),
    ("polar bears", {"ice bear"}),  # a synonym, in the plural
    ("motorcycles", {"moped"}),
    ("mice", {"mouse"}),
    ("wolves", {"timber wolf", "white wolf", "red wolf", "coyote"}),
    ("T-shirt", {"jersey"}),
    ("black-and-gold garden spider", {"black and gold garden spider"}),  # `and` is part of a name
    ("tv", {"television"}),
])  # fmt: skip
def test_a_name_a_synonym_and_a_plural_mean_their_kind(text: str, named: set[str]) -> None:
    assert kinds(text) == named


def test_a_wider_word_covers_what_is_of_it() -> None:
    dogs = kinds("dog")
    assert len(dogs) == 118
    assert {"beagle", "collie", "Chihuahua"} <= dogs
    assert not dogs & {"tabby", "hotdog", "timber wolf"}
    assert len(kinds("musical instrument")) > 20


def test_a_word_with_two_kinds_of_that_name_means_both_and_another_word_decides() -> None:
    assert kinds("crane") == {"crane (wading bird)", "crane (lifting device)"}
    assert kinds("crane bird") == {"crane (wading bird)"}


def test_what_was_understood_is_said_in_a_few_words() -> None:
    names = words.names_of_kinds()
    dog = meaning("dogs")
    assert (
        dog.said([names.index("beagle"), names.index("tench"), names.index("collie")])
        == "dog: beagle, collie and 116 more"
    )
    assert meaning("piano").said() == "piano: grand piano and upright"
    assert meaning("polar bear").said() == "polar bear: ice bear"
    assert meaning("red shoes").said().startswith("red is left out; shoe: ")
    assert meaning("puppy").said().startswith("no kind is called puppy; taken as dog: ")
    assert meaning("rat").said().startswith("no kind is called rat; taken as rodent: ")  # not the skunk that people are
    assert meaning("beagle").said().startswith("beagle: a small short-legged")


def test_the_word_before_a_preposition_says_what_it_is() -> None:
    assert kinds("a white dog on a table") == kinds("dog")
    assert meaning("a white dog on a table").said().startswith("white, table are left out; dog: ")
    assert kinds("bottle of wine") == kinds("bottle")
    assert kinds("wooden chair") == kinds("chair")


def test_several_words_between_and_or_commas_mean_any_of_them() -> None:
    assert kinds("lions, tigers and bears") == kinds("lion") | kinds("tiger") | kinds("bear")


def test_a_word_of_descriptions_alone_means_what_they_describe() -> None:
    assert "no kind is called carnivorous, which stands in these descriptions: " in meaning("carnivorous").said()


@pytest.mark.parametrize(("text", "nearest"), [
    ("beagel", "beagle"),
    ("Hund", "English"),
    ("собака", "English"),
    ("qwertyuiop", "1,000 kinds"),
    ("happy", "did you mean"),
    ("thing", "did you mean"),
    ("no dogs", "--not-text"),
    ("the", "names nothing"),
    ("!?", "names nothing"),
    ("1234567", "not known"),
    ("[a-z]+(", "not known"),
])  # fmt: skip
def test_what_means_nothing_here_is_a_sentence_that_helps(text: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=nearest) as raised:
        meaning(text)
    assert len(str(raised.value)) < 400


def test_a_damaged_table_is_named(tmp_path) -> None:
    file = tmp_path / "kinds.json"
    for bad in ("", "{", "[]", '{"kinds": [], "checksum": "0"}'):
        file.write_text(bad)
        with pytest.raises(UsageError, match=r"kinds\.json cannot be read"):
            words._table(file)
