"""`pairs`, `same`, `identify` and `identity` on the command line: results, exit codes, and sentences for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_gallery import draw, fill, lite, photos, run

from pipeline.gallery.gallery import Gallery
from pipeline.recognition import identities, verification


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 24))[0]


def test_two_pictures_are_decided_at_the_rate_that_was_asked_for(gallery: Gallery, tmp_path: Path) -> None:
    rows = gallery.rows()
    curve = verification.curve(gallery)
    file = tmp_path / "photos" / "bowl" / "001.png"
    place = list(rows.table["path"]).index("bowl/001.png")
    score = float(rows.embeddings[0] @ rows.embeddings[place])
    for rate in ("0.05", "0.2"):
        ran = run("same", "small", rows.table["id"][0], file, "--false-accept", rate, "--json")
        assert (ran.returncode, ran.stderr) == (0, "")
        result = json.loads(ran.stdout)
        decision = verification.decide(curve, score, rate=float(rate))
        assert result["score"] == pytest.approx(score, abs=1e-5)
        assert result["same"] == decision.same
        assert result["threshold"] == pytest.approx(decision.threshold)
        assert result["different_pairs_at_least_as_high"] == decision.higher
    ran = run("same", "small", rows.table["id"][0], rows.table["id"][0])
    assert ran.stdout.startswith("same: score 1.0000, higher than 100.0 % of random pairs")
    assert "too few different pairs: this rate needs 100" in ran.stdout


def test_pairs_tells_every_rate_and_keeps_the_figures(gallery: Gallery) -> None:
    ran = run("pairs", "small", "--progress", "none")
    assert ran.returncode == 0
    assert ran.stdout.count("false accepts") == 3
    assert "this rate needs 1,000" in ran.stdout
    result = json.loads(run("pairs", "small", "--json", "--progress", "none").stdout)
    assert result["points"] == verification.curve(gallery).report["points"]


def test_a_picture_file_becomes_an_identity_is_found_and_forgotten(gallery: Gallery, tmp_path: Path) -> None:
    file = draw(tmp_path / "mine.jpg", 77, size=(64, 48))
    ran = run("identity", "add", "small", "My cup", "--picture", file, "--progress", "none")
    assert (ran.returncode, ran.stderr) == (0, "")
    [picture] = identities.identities(gallery)["My cup"]
    again = run("identity", "add", "small", "My cup", "--id", gallery.rows().table["id"][0])
    assert again.returncode == 2
    assert "has an identity 'My cup' already" in again.stderr
    other = draw(tmp_path / "other.jpg", 77, size=(60, 44))  # the same blobs in another file
    ran = run("identify", "small", other, "--json")
    assert ran.returncode == 0
    result = json.loads(ran.stdout)
    assert (result["matches"][0]["name"], result["matches"][0]["id"]) == ("My cup", picture)
    assert result["known"] == result["matches"][0]["same"]
    only = json.loads(run("identify", "small", other, "--who", "bowl", "--json").stdout)
    assert [(match["name"], match["kind"]) for match in only["matches"]] == [("bowl", "label")]
    assert json.loads(run("identity", "list", "small", "--json").stdout) == {"My cup": [picture]}
    ran = run("identity", "remove", "small", "My cup")
    assert f"identity add small 'My cup' --id {picture}" in ran.stdout
    assert identities.identities(gallery) == {}
    assert "has no identity yet" in run("identity", "list", "small").stderr


def test_while_another_process_holds_the_index_the_picture_is_committed_all_the_same(
    gallery: Gallery, tmp_path: Path
) -> None:
    with lite():
        ran = run(
            "identity", "add", "small", "Mine", "--picture", draw(tmp_path / "mine.png", 50), "--progress", "none"
        )
    assert ran.returncode == 0
    assert "The picture is committed" in ran.stderr
    assert set(identities.identities(gallery)["Mine"]) <= gallery.ids()


def test_without_labels_two_pictures_still_have_a_score(home: Path, tmp_path: Path) -> None:
    for seed in range(3):
        draw(tmp_path / "flat" / f"{seed}.png", seed)
    gallery, _ = fill(tmp_path / "flat")
    first, second, _ = sorted(gallery.ids())
    ran = run("same", "small", first, second)
    assert ran.returncode == 0
    assert ran.stdout.startswith("no decision: score ")
    assert "ingest a folder with a subfolder for each label" in ran.stderr
    assert json.loads(run("same", "small", first, second, "--json").stdout)["same"] is None
    assert json.loads(run("identify", "small", first, "--json").stdout) == {
        "gallery": "small", "picture": first, "known": False, "matches": []
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["same", "small", "f" * 32, "f" * 32], 1, "has no picture ffff"),
        (["same", "small", "notes.txt", "notes.txt"], 1, "notes.txt: "),
        (["same", "small", "nowhere.jpg", "nowhere.jpg"], 1, "nowhere.jpg: "),
        (["pairs", "small", "--by", "colour"], 2, "choose from label"),
        (["identify", "small", "{id}", "--who", "nobody"], 2, "no picture of 'nobody'"),
        (["same", "small", "{id}", "{id}", "--false-accept", "7"], 2, "7.0 is not between 0 and 1"),
        (["identity", "add", "small", "Anna"], 2, "--id ID of one of the gallery, or --picture FILE"),
        (["identity", "extend", "small", "Anna", "--id", "{id}"], 2, "no identity 'Anna'; it has: none yet"),
        (["identity", "remove", "small", "Anna"], 2, "no identity 'Anna'"),
        (["identity", "add", "small", "Anna", "--picture", "notes.txt"], 1, "notes.txt: "),
    ],
)
def test_a_wrong_request_is_one_sentence(
    gallery: Gallery, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    picture = gallery.rows().table["id"][0]
    there = {"notes.txt": str(tmp_path / "notes.txt"), "{id}": picture}
    ran = run(*[there.get(word, word) for word in words])
    assert ran.returncode == code, ran.stderr
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
