"""Terms: what pictures say of themselves, have in common and look like, against loops a child could check."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import encoder, fill, photos, run

from pipeline.analysis import carried_terms, clustering, telling_terms, terms, visual_words
from pipeline.analysis.carried_terms import Term, carried
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import reports, tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.records import SearchHit
from pipeline.settings import Settings

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200)}


def shades(root: Path, *, each: int = 8, labelled: bool = True, extra: bool = True) -> str:
    """Three colours in `each` shades; metadata: the colour's warmth, a number of its own, and the same shop for all."""
    root.mkdir(parents=True)
    lines = ["path,label,split" + (",warmth,number,shop" if extra else "")]
    for colour, channels in COLOURS.items():
        for shade in range(each):
            tinted = tuple(min(255, part + 5 * shade) for part in channels)
            Image.new("RGB", (40, 30), tinted).save(root / f"{colour}-{shade}.png")
            split = "test" if shade % 2 else "train"
            more = f",{'warm' if colour == 'red' else 'cold'},{colour}{shade},corner" if extra else ""
            lines.append(f"{colour}-{shade}.png,{colour if labelled else ''},{split}{more}")
    (root / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    return f"table:file={root / 'table.csv'}"


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(shades(tmp_path / "photos"))[0]


def ids_of(gallery: Gallery, start: str) -> list[str]:
    table = gallery.table()
    return table["id"][table["path"].str.startswith(start)].tolist()


def said_by(gallery: Gallery) -> dict[str, set[str]]:
    """id to its terms, the slow way."""
    table = gallery.table()
    counts: Counter[str] = Counter()
    found: dict[str, set[str]] = {}
    for row in table.to_dict("records"):
        found[row["id"]] = {f"{key}: {value}" for key, value in row["metadata"].items() if value}
        counts.update(found[row["id"]])
    for row in table.to_dict("records"):
        found[row["id"]] = {text for text in found[row["id"]] if counts[text] > 1} | ({row["label"]} - {""})
    return found


def texts_of(known: carried_terms.Carried) -> dict[str, set[str]]:
    return {
        picture: {known.terms[number].text for number in known.of(row)}
        for row, picture in enumerate(known.ids.tolist())
    }


def test_a_picture_carries_its_label_and_the_metadata_that_others_share(gallery: Gallery) -> None:
    assert texts_of(carried(gallery)) == said_by(gallery)
    assert "train" not in {term.text for term in carried(gallery).terms}


def test_tags_and_the_newest_clusters_are_terms_and_change_the_stamp(gallery: Gallery) -> None:
    stamps = [carried_terms.stamp(gallery)]
    tags.tag(gallery, ids_of(gallery, "red")[:2], "for spring")
    stamps.append(carried_terms.stamp(gallery))
    clustering.cluster(gallery, method="kmeans", clusters=3)
    stamps.append(carried_terms.stamp(gallery))
    terms.build(gallery)
    stamps.append(carried_terms.stamp(gallery))
    assert len(set(stamps)) == 4
    known = texts_of(carried(gallery))
    assert "tag: for spring" in known[ids_of(gallery, "red")[0]]
    assert "tag: for spring" not in known[ids_of(gallery, "red")[2]]
    assert {text for texts in known.values() for text in texts if text.startswith("cluster")} == {
        "cluster: red",
        "cluster: green",
        "cluster: blue",
    }
    assert sum(text.startswith("visual word") for text in known[ids_of(gallery, "blue")[0]]) == 1
    name = clustering.newest(gallery)
    (gallery.root / "reports" / f"{name}.json").write_text("{")
    assert not any("cluster" in text for texts in texts_of(carried(gallery)).values() for text in texts)


def test_terms_that_read_alike_are_told_apart(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    files = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.png"))]
    lines = ["path,label,a", *(f"{file},a: x,x" for file in files)]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    gallery, _ = fill(f"table:file={tmp_path / 'list.csv'},root={folder}")
    assert [term.text for term in carried(gallery).terms] == ["a: x", "metadata: a: x"]


@pytest.mark.parametrize(
    ("term", "clause"),
    [
        (Term("label", "pants", "pants"), "label=pants"),
        (Term("label", "a,b\\c=d", "x"), "label=a\\,b\\\\c=d"),
        (Term("metadata", "red", "colour: red", "colour"), "colour=red"),
        (Term("metadata", "red", "a=b: red", "a=b"), ""),
        (Term("metadata", "red", "path: red", "path"), ""),
        (Term("tag", "red", "tag: red"), ""),
        (Term("word", "red", "red"), ""),
    ],
)
def test_a_term_knows_the_filter_that_finds_its_pictures(term: Term, clause: str) -> None:
    assert term.clause == clause


def test_pictures_of_one_colour_have_it_in_common(gallery: Gallery) -> None:
    red = ids_of(gallery, "red")
    found = terms.in_common(gallery, red)
    assert [(one.term.text, one.count, one.of, one.share, one.lift) for one in found] == [
        ("red", 8, 8, 1.0, pytest.approx(3)),
        ("warmth: warm", 8, 8, 1.0, pytest.approx(3)),
    ]
    mixed = red[:6] + ids_of(gallery, "blue")[:2]
    texts = {one.term.text: one for one in terms.in_common(gallery, mixed)}
    assert "shop: corner" not in texts  # everything is from there
    assert "blue" not in texts  # 2 of 8 are a quarter, fewer than in the gallery
    assert terms.in_common(gallery, gallery.table()["id"]) == []
    assert terms.in_common(gallery, []) == []
    assert terms.in_common(gallery, red + red) == found  # the same picture twice is one


def test_the_statistic_is_dunnings_and_a_few_pictures_must_agree(gallery: Gallery) -> None:
    value = telling_terms._ratio(np.array([6]), 8, np.array([0.25]))[0]
    assert value == pytest.approx(2 * (6 * math.log(6 / 8 / 0.25) + 2 * math.log(2 / 8 / 0.75)))
    one = ids_of(gallery, "green")[0]
    assert {shared.term.text for shared in terms.in_common(gallery, [one])} == {"green", "warmth: cold"}
    two = [one, ids_of(gallery, "blue")[0]]
    assert {shared.term.text for shared in terms.in_common(gallery, two)} == {"warmth: cold"}


def test_pictures_drawn_at_random_have_hardly_ever_anything_in_common(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(shades(tmp_path / "photos", each=30, extra=False))
    known = carried(gallery)
    chance = np.random.default_rng(0)
    found = [terms.in_common(gallery, chance.choice(known.ids, 24, replace=False), carried=known) for _ in range(200)]
    assert sum(map(bool, found)) <= 2


def test_term_vectors_are_tf_idf_of_the_nearest_others(gallery: Gallery) -> None:
    name = terms.build(gallery, k=5, words=3, seed=7)
    report, table = reports.read(gallery, name), reports.table(gallery, name)
    assert (report["seed"], report["k"], len(report["words"])) == (7, 5, 3)
    rows = gallery.rows()
    ids, own = rows.table["id"].tolist(), said_by(gallery)
    names = [one["name"] for one in report["words"]]
    for picture, word in zip(table["id"], table["word"], strict=True):
        own[picture].add(names[word])
    carriers = Counter(text for texts in own.values() for text in texts)
    for row, picture in enumerate(ids):
        scores = {other: float(rows.embeddings[row] @ rows.embeddings[ids.index(other)]) for other in ids}
        others = sorted((other for other in ids if other != picture), key=lambda other: -scores[other])[:5]
        says = {other: math.exp((scores[other] - scores[others[0]]) / 0.05) for other in others}
        weights = {
            text: sum(says[other] for other in others if text in own[other])
            / sum(says.values())
            * math.log((1 + len(ids)) / (1 + carriers[text]))
            for text in carriers
        }
        expected = sorted((weight for weight in weights.values() if weight > 1e-9), reverse=True)[:12]
        texts, given = table["terms"][row].tolist(), table["weights"][row].tolist()
        assert given == pytest.approx(expected, abs=2e-4)
        assert [weights[text] for text in texts] == pytest.approx(expected, abs=2e-4)
        assert "shop: corner" not in texts
        assert terms.of_pictures(gallery, [picture])[picture] == list(zip(texts, given, strict=True))


def test_the_codebook_is_named_by_a_medoid_and_what_tells_it_and_the_seed_repeats_it(gallery: Gallery) -> None:
    first = terms.build(gallery, words=3, seed=1)
    again = terms.build(gallery, words=3, seed=1)
    assert reports.table(gallery, first).equals(reports.table(gallery, again))
    words = reports.read(gallery, first)["words"]
    assert [one["size"] for one in words] == [8, 8, 8]
    assert {one["like"] for one in words} == {"red", "green", "blue"}
    table = reports.table(gallery, first)
    for one in words:
        assert one["name"] == f"visual word {one['word'] + 1} (like {one['like']})"
        assert one["medoid"] in set(table["id"][table["word"] == one["word"]])


def test_visual_words_are_numbered_by_how_many_pictures_have_them(gallery: Gallery) -> None:
    gallery.remove(ids_of(gallery, "red")[:5] + ids_of(gallery, "green")[:2])
    name = terms.build(gallery, words=3)
    words = reports.read(gallery, name)["words"]
    assert [(one["word"], one["like"], one["size"]) for one in words] == [
        (0, "blue", 8),
        (1, "green", 6),
        (2, "red", 3),
    ]
    assert reports.table(gallery, name)["word"].value_counts().to_dict() == {0: 8, 1: 6, 2: 3}


@pytest.mark.parametrize(("n", "words"), [(2, 1), (18, 2), (600, 64), (3781, 64), (20_000, 128), (100_000, 256)])
def test_the_size_of_the_codebook_follows_the_gallery(n: int, words: int) -> None:
    assert visual_words.count_for(n) == words


def test_an_upload_is_annotated_by_its_nearest(gallery: Gallery) -> None:
    embedding = encoder().encode(encoder().preprocess(Image.new("RGB", (40, 30), (205, 33, 31)))[None])[0]
    found = terms.annotate(gallery, embedding, k=6)
    assert [(one.term.text, one.confidence) for one in found] == [
        ("red", pytest.approx(1.0)),
        ("warmth: warm", pytest.approx(1.0)),
    ]
    rows = gallery.rows()
    scores = rows.embeddings @ embedding
    order = np.argsort(-scores, kind="stable")
    hits = [SearchHit(id=rows.table["id"][row], score=float(scores[row])) for row in order]
    assert terms.annotate(gallery, hits, k=6) == found
    wide = terms.annotate(gallery, hits, k=24)  # all pictures: the nearest have the most to say
    assert wide[0].term.text == "red"
    say = [math.exp((score - scores[order[0]]) / 0.05) for score in scores[order]]
    red = [rows.table["label"][row] == "red" for row in order]
    expected = sum(one for one, is_red in zip(say, red, strict=True) if is_red) / sum(say)
    assert wide[0].confidence == pytest.approx(expected)
    assert "shop: corner" not in {one.term.text for one in wide}


def test_what_people_said_comes_before_clusters_and_visual_words(gallery: Gallery) -> None:
    terms.build(gallery, words=1)
    terms.build(gallery, words=3)
    found = terms.annotate(gallery, gallery.rows().embeddings[0], k=5)
    assert [one.term.kind for one in found] == ["label", "metadata", "word"]


def test_hits_that_were_taken_out_since_have_no_say(gallery: Gallery) -> None:
    red, blue = ids_of(gallery, "red")[0], ids_of(gallery, "blue")[0]
    hits = [SearchHit(id=red, score=0.9), SearchHit(id=blue, score=0.9)]
    gallery.remove([red])
    assert terms.annotate(gallery, hits)[0].term.text == "blue"
    assert terms.annotate(gallery, hits[:1]) == []
    assert terms.annotate(gallery, []) == []


def test_pictures_with_a_term_are_those_that_carry_it_and_those_whose_neighbours_do(home: Path, tmp_path: Path) -> None:
    spec = shades(tmp_path / "photos")
    table = tmp_path / "photos" / "table.csv"
    table.write_text(table.read_text().replace("red-3.png,red", "red-3.png,"))
    gallery, _ = fill(spec)
    [unlabelled] = ids_of(gallery, "red-3")
    assert set(terms.pictures_with(gallery, "red")) == set(ids_of(gallery, "red")) - {unlabelled}
    terms.build(gallery, k=4)
    found = terms.pictures_with(gallery, "red")
    assert set(found) == set(ids_of(gallery, "red"))
    weights = [dict(terms.of_pictures(gallery, [picture])[picture])["red"] for picture in found]
    assert weights == sorted(weights, reverse=True)
    with pytest.raises(UsageError, match="no picture has the term 'rde'; there is red"):
        terms.pictures_with(gallery, "rde")


def test_without_labels_and_metadata_there_are_visual_words_only(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(shades(tmp_path / "photos", labelled=False, extra=False))
    known = carried(gallery)
    assert known.terms == ()
    assert terms.in_common(gallery, known.ids[:5]) == []
    assert terms.annotate(gallery, gallery.rows().embeddings[0]) == []
    report = reports.read(gallery, terms.build(gallery, words=3))
    assert [one["name"] for one in report["words"]] == ["visual word 1", "visual word 2", "visual word 3"]
    picture = ids_of(gallery, "red-0")[0]
    assert terms.of_pictures(gallery, [picture])[picture][0][0].startswith("visual word")
    with pytest.raises(UsageError, match="there is visual word"):
        terms.pictures_with(gallery, "red")


def test_one_picture_has_no_neighbours_and_says_so(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 1))
    with pytest.raises(UsageError, match="has 1 picture, and it takes at least 2"):
        terms.build(gallery)
    [picture] = gallery.ids()
    assert terms.in_common(gallery, [picture]) == []
    assert terms.annotate(gallery, gallery.rows().embeddings[0]) == []
    with pytest.raises(GalleryError, match="has no terms yet; run: python -m pipeline terms small"):
        terms.of_pictures(gallery, [picture])


def test_a_gallery_without_pictures_says_how_to_fill_it(home: Path) -> None:
    gallery = create_gallery("small", Settings())
    with pytest.raises(GalleryError, match="holds no pictures yet"):
        terms.build(gallery)


def test_five_hundred_labels(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    files = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.png"))]
    gallery, _ = fill(folder)
    known = carried(gallery)
    many = carried_terms.numbered(
        known.ids, known.places, [("label", "", f"label {n}", np.array([n % len(files)])) for n in range(500)]
    )
    assert len(many.terms) == 500
    assert [len(many.of(row)) for row in range(6)] == [84, 84, 83, 83, 83, 83]
    assert len(telling_terms.telling(many, np.array([0]))) == 84
    assert many.with_term(499).tolist() == [499 % 6]


def test_a_picture_that_came_after_the_report_has_no_terms_and_an_unknown_one_is_refused(
    gallery: Gallery, tmp_path: Path
) -> None:
    terms.build(gallery)
    fill(photos(tmp_path / "more", 1))
    later = gallery.table()["id"].tolist()[-1]
    assert terms.of_pictures(gallery, [later]) == {later: []}
    for ask in (terms.of_pictures, terms.in_common):
        with pytest.raises(GalleryError, match=f"has no picture {'0' * 32}"):
            ask(gallery, ["0" * 32])
    for options in ({"k": 0}, {"words": -1}, {"seed": -1}, {"words": 5000}):
        with pytest.raises(UsageError, match="k is at least 1"):
            terms.build(gallery, **options)
    with pytest.raises(UsageError, match="an embedding of shape"):
        terms.annotate(gallery, np.ones(3, np.float32))


def test_the_verb_builds_and_answers_four_questions(gallery: Gallery, tmp_path: Path) -> None:
    picture = ids_of(gallery, "red-0")[0]
    refused = run("terms", "small", "--id", picture)
    assert (refused.returncode, refused.stdout) == (1, "")
    built = run("terms", "small", "--words", "3", "--seed", "5", "--progress", "none")
    assert built.returncode == 0, built.stderr
    assert "24 pictures by their 20 nearest" in built.stdout
    assert "seed 5" in built.stdout
    assert "(like red)" in built.stdout
    told = json.loads(run("terms", "small", "--id", picture, "--json").stdout)
    assert told["id"] == picture
    assert "red" in [one["term"] for one in told["terms"]]
    common = run("terms", "small", *[word for one in ids_of(gallery, "red") for word in ("--common", one)])
    assert "red (8 of 8, 3.0 × as often as in the gallery)" in common.stdout
    found = run("terms", "small", "--term", "warmth: warm")
    assert picture in found.stdout
    Image.new("RGB", (50, 50), (200, 30, 30)).save(tmp_path / "upload.png")
    looks = json.loads(run("terms", "small", "--picture", tmp_path / "upload.png", "--json").stdout)
    assert looks["terms"][0]["confidence"] > 0.4
    assert "red" in [one["term"] for one in looks["terms"]]
    assert run("terms", "small", "--id", picture, "--term", "red").returncode == 2
