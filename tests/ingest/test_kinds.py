"""What pictures without a label show, kept as metadata: at ingest, later, and not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_kinds
from tiny_gallery import draw, encoder, exact, fill, lite, photos
from typer.testing import CliRunner

from pipeline import filters
from pipeline.__main__ import app
from pipeline.analysis import clustering
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.kinds import readout, tags
from pipeline.records import ImageRecord, silent
from pipeline.search.search import Query, search
from pipeline.settings import Settings

STRENGTH = 60  # a readout that is sure of itself


@pytest.fixture(autouse=True)
def known(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_kinds.use(tmp_path, monkeypatch, strength=STRENGTH)


def unlabelled(folder: Path, count: int = 12) -> Path:
    for number in range(count):
        draw(folder / f"{number:03d}.png", number)
    return folder


def shown(gallery: Gallery) -> dict[str, str]:
    """File name to what it shows."""
    table = gallery.table()
    return {path: metadata.get(tags.SHOWS, "") for path, metadata in zip(table["path"], table["metadata"], strict=True)}


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_pictures_without_a_label_say_what_they_show_and_can_be_filtered_by_it(tmp_path: Path) -> None:
    folder = unlabelled(tmp_path / "photos")
    with lite() as store:
        gallery, _ = fill(folder, store)
        rows = gallery.rows()
        known = readout.of(encoder().fingerprint)
        assert known
        truth = tags.tags(known, rows.embeddings)
        assert [{key: text for key, text in one.items() if text} for one in rows.table["metadata"]] == truth
        word = next(one[tags.SHOWS] for one in truth if one)
        where = filters.parse([f"shows={filters.escape(word)}"])
        hits = search(gallery, store, None, Query(texts=("dog",)), k=12, where=where).hits
        assert {hit.path for hit in hits} == {path for path, says in shown(gallery).items() if says == word}


def test_a_label_and_the_datasets_own_metadata_go_before(tmp_path: Path) -> None:
    folder = unlabelled(tmp_path / "photos", 3)

    class Own:
        root, prepare = folder, staticmethod(lambda progress=silent: None)

        def records(self):
            yield ImageRecord("000.png", label="cup")
            yield ImageRecord("001.png", metadata={"shows": "my cup"})
            yield ImageRecord("002.png")

    gallery, _ = fill(draw(tmp_path / "others" / "other.png", 77).parent, exact())
    ingestion.ingest(gallery, Own(), encoder(), spec=gallery.encoder()["spec"], store=None)
    says = shown(gallery)
    assert says["001.png"] == "my cup"
    table = gallery.table()
    [labelled] = table[table["label"] == "cup"]["metadata"]
    assert not labelled.get(tags.SHOWS)


def test_a_second_ingest_and_a_move_leave_what_is_shown(tmp_path: Path) -> None:
    folder = unlabelled(tmp_path / "photos")
    gallery, _ = fill(folder, exact())
    before = shown(gallery)
    assert any(before.values())
    _, report = fill(folder, exact())
    assert not report.followed
    assert shown(gallery) == before
    (folder / "000.png").rename(folder / "moved.png")
    _, report = fill(folder, exact())
    assert report.followed == {"moved": 1}
    assert shown(gallery) == {path.replace("000.png", "moved.png"): says for path, says in before.items()}


def test_the_command_names_every_picture_and_takes_the_names_away(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 12)
    invoke(
        "ingest",
        "small",
        "--dataset",
        f"folder:root={folder}",
        "--encoder",
        "color_histogram:grid=2,bins=2",
        "--progress",
        "none",
    )
    gallery = open_gallery("small", Settings())
    assert not any(shown(gallery).values())  # labels say it
    said = invoke("kinds", "small")
    assert " of 12 pictures say what they show" in said
    assert any(shown(gallery).values())
    word = next(filter(None, shown(gallery).values()))
    found = json.loads(invoke("search", "small", "--text", "dog", "--where", f"shows={filters.escape(word)}", "--json"))
    assert found["hits"]
    assert "no picture says" in invoke("kinds", "small", "--off")
    assert not any(shown(gallery).values())
    draw(folder / "new.png", 99)
    invoke("ingest", "small", "--dataset", f"folder:root={folder}", "--progress", "none")
    assert not any(shown(gallery).values())  # it stays off


def test_an_ingest_can_be_told_to_name_nothing(tmp_path: Path) -> None:
    folder = unlabelled(tmp_path / "photos")
    how = ("--dataset", f"folder:root={folder}", "--encoder", "color_histogram:grid=2,bins=2", "--progress", "none")
    invoke("ingest", "small", *how, "--no-kinds")
    assert not any(shown(open_gallery("small", Settings())).values())


def test_another_encoder_is_told_what_would_know(tmp_path: Path) -> None:
    fill(unlabelled(tmp_path / "photos"), exact(), spec="raw_pixels:side=4")
    done = CliRunner().invoke(app, ["kinds", "small"])
    assert done.exit_code != 0
    assert done.stdout == ""


def test_clusters_of_unlabelled_pictures_are_named_after_what_they_show(tmp_path: Path) -> None:
    gallery, _ = fill(unlabelled(tmp_path / "photos", 30), exact())
    report = reports.read(gallery, clustering.cluster(gallery, method="kmeans", clusters=3))
    known, rows = readout.of(encoder().fingerprint), gallery.rows()
    assert known
    assignment = clustering.assignment(gallery, clustering.newest(gallery) or "").set_index("id")["cluster"]
    probabilities = known.probabilities(rows.embeddings)
    for one in report["clusters"]:
        if one["named_by"] == "kinds":
            members = np.array([assignment[picture] == one["cluster"] for picture in rows.table["id"]])
            name = tags.in_common(probabilities[members], probabilities.mean(axis=0), share=0.5, lift=1.5)
            assert one["name"].startswith(name)
    assert {one["named_by"] for one in report["clusters"]} <= {"kinds", "metadata", "number"}
