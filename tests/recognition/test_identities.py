"""Identities are judgments: from one picture on, refused when taken, undone, and asked by the highest score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import draw, encoder, exact, fill, photos

from pipeline.errors import GalleryError, PictureError, UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import enrolment, identification, identities
from pipeline.records import VectorStore


@pytest.fixture
def store() -> VectorStore:
    return exact()


@pytest.fixture
def gallery(home: Path, tmp_path: Path, store: VectorStore) -> Gallery:
    return fill(photos(tmp_path / "photos", 9), store)[0]


def test_one_picture_makes_an_identity_and_more_may_follow(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    assert identities.add(gallery, "  My   mug ", ids[:1]) == "My mug"
    identities.extend(gallery, "My mug", ids[3:4])
    identities.add(gallery, "日本", ids[1:3])
    assert list(identities.identities(gallery).items()) == [("My mug", [ids[0], ids[3]]), ("日本", ids[1:3])]
    assert identities.owner(gallery, ids[2]) == "日本"


def test_an_identity_added_twice_is_refused_by_name_with_both_ways_out(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    identities.add(gallery, "Anna", ids[:1])
    with pytest.raises(
        UsageError,
        match=r"an identity 'Anna' already, with 1 picture; choose another name, or add .*extend small 'Anna'",
    ):
        identities.add(gallery, "Anna ", ids[1:2])
    assert identities.identities(gallery) == {"Anna": ids[:1]}


def test_a_picture_of_another_identity_is_refused_by_that_name(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    identities.add(gallery, "Anna", ids[:2])
    identities.add(gallery, "Bert", ids[2:3])
    for put in (
        lambda: identities.add(gallery, "Carl", ids[1:2]),
        lambda: identities.extend(gallery, "Bert", ids[1:2]),
    ):
        with pytest.raises(UsageError, match=f"the picture {ids[1]} belongs to the identity 'Anna'"):
            put()
    assert identities.identities(gallery) == {"Anna": ids[:2], "Bert": ids[2:3]}


def test_a_removal_gives_what_undoes_it(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    identities.add(gallery, "Anna", ids[:3])
    assert identities.remove(gallery, "Anna", ids[1:2]) == ids[1:2]
    assert identities.identities(gallery) == {"Anna": [ids[0], ids[2]]}
    taken = identities.remove(gallery, "Anna")
    assert identities.identities(gallery) == {}
    identities.add(gallery, "Anna", taken)
    assert identities.identities(gallery) == {"Anna": [ids[0], ids[2]]}


def test_removed_pictures_belong_to_nobody_until_they_are_restored(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    identities.add(gallery, "Anna", ids[:1])
    gallery.remove(ids[:1])
    assert identities.identities(gallery) == {}
    with pytest.raises(GalleryError, match=f"was removed from small; bring it back first: .* --ids {ids[0]}"):
        identities.add(gallery, "Bert", ids[:1])
    gallery.restore(ids[:1])
    assert identities.identities(gallery) == {"Anna": ids[:1]}


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x00b", "a\u202eb"])
def test_what_is_no_name_is_refused_and_nothing_is_kept(gallery: Gallery, name: str) -> None:
    with pytest.raises(UsageError, match="an identity's name is a line of 1 to 60 characters"):
        identities.add(gallery, name, sorted(gallery.ids())[:1])
    assert identities.identities(gallery) == {}


def test_unknown_names_and_pictures_are_refused_with_those_there_are(gallery: Gallery) -> None:
    ids = sorted(gallery.ids())
    identities.add(gallery, "Anna", ids[:1])
    with pytest.raises(UsageError, match="no identity 'Ana'; it has: 'Anna'"):
        identities.extend(gallery, "Ana", ids[1:2])
    with pytest.raises(UsageError, match=f"'Anna' of small does not have the picture {ids[1]}"):
        identities.remove(gallery, "Anna", ids[1:2])
    with pytest.raises(GalleryError, match="has no picture ffff"):
        identities.add(gallery, "Bert", ["f" * 32])
    with pytest.raises(UsageError, match="needs a picture"):
        identities.add(gallery, "Bert", [])


def test_names_are_ranked_by_the_best_of_their_pictures_and_a_picture_is_no_witness_for_itself(
    gallery: Gallery, store: VectorStore
) -> None:
    rows = gallery.rows()
    ids, labels = list(rows.table["id"]), list(rows.table["label"])
    embeddings = dict(zip(ids, rows.embeddings, strict=True))
    identities.add(gallery, "Anna", [ids[0], ids[4]])
    identities.add(gallery, "Bert", [ids[5]])
    query, own = identification.picture_embedding(gallery, store, None, ids[0])
    assert own == {ids[0]}
    groups = {("Anna", "identity"): [ids[4]], ("Bert", "identity"): [ids[5]]}
    for label in set(labels):
        groups[label, "label"] = [i for i, one in zip(ids, labels, strict=True) if one == label and i != ids[0]]
    expected = {}
    for name, members in groups.items():
        expected[name] = max((float(embeddings[ids[0]] @ embeddings[one]), one) for one in members)
    matches = identification.ranked_matches(gallery, store, query, own=own)
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert {(match.name, match.kind) for match in matches} == set(expected)
    for match in matches:
        assert match.score == pytest.approx(expected[match.name, match.kind][0], abs=1e-6)
        again = identification.best_match(gallery, store, query, match.name, kind=match.kind, own=own)
        assert (again.id, again.score) == (match.id, pytest.approx(match.score, abs=1e-6))
    assert {match.kind for match in identification.ranked_matches(gallery, store, query, own=own, labels=False)} == {
        "identity"
    }


def test_an_identity_of_this_picture_alone_has_nothing_to_compare_with(gallery: Gallery, store: VectorStore) -> None:
    picture = sorted(gallery.ids())[0]
    identities.add(gallery, "Anna", [picture])
    query, own = identification.picture_embedding(gallery, store, None, picture)
    assert "Anna" not in [match.name for match in identification.ranked_matches(gallery, store, query, own=own)]
    for name, kind in (("Anna", "identity"), ("nobody", "identity"), ("nobody", "label")):
        with pytest.raises(UsageError, match=f"no picture of '{name}' beside the one asked with"):
            identification.best_match(gallery, store, query, name, kind=kind, own=own)


def test_a_file_and_the_same_picture_in_the_gallery_embed_alike(
    gallery: Gallery, store: VectorStore, tmp_path: Path
) -> None:
    file = tmp_path / "photos" / "cup" / "000.png"
    query, own = identification.picture_embedding(gallery, store, encoder(), file.read_bytes())
    [picture] = own
    assert np.allclose(query, identification.picture_embedding(gallery, store, None, picture)[0], atol=1e-6)


def test_a_file_is_taken_in_once_and_can_be_found(gallery: Gallery, store: VectorStore, tmp_path: Path) -> None:
    file = draw(tmp_path / "new.png", 99)
    picture = enrolment.enrol(gallery, file, store=store)
    assert picture in gallery.ids()
    assert store.count(gallery.collection()) == 10
    row = gallery.table().set_index("id").loc[picture]
    assert row["label"] == ""
    generation = gallery.generation
    assert enrolment.enrol(gallery, file, store=store) == picture
    [kept] = (gallery.originals / enrolment.FOLDER).iterdir()
    assert enrolment.enrol(gallery, kept, store=store) == picture
    assert gallery.generation == generation
    identities.add(gallery, "New", [picture])
    other = enrolment.enrol(gallery, draw(tmp_path / "other.png", 98), store=None)
    assert other in gallery.ids()


def test_what_cannot_be_taken_in_is_named(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(PictureError, match=r"notes\.png: "):
        enrolment.enrol(gallery, tmp_path / "notes.png", store=None)
    assert not list(gallery.originals.glob("*/*"))
    gone = tmp_path / "photos" / "cup" / "000.png"
    picture = enrolment.enrol(gallery, gone, store=None)
    gallery.remove([picture])
    with pytest.raises(GalleryError, match=f"restore small --ids {picture}"):
        enrolment.enrol(gallery, gone, store=None)
