"""Hard cases: needles, shortlist and figures against loops a child could check, and what happens when something is missing."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.annotations import annotations
from pipeline.errors import SemblanceError, UsageError
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Case, Round, case_names, drop_case, open_case
from pipeline.hard_cases.compare import compare_parts, verdict
from pipeline.hard_cases.demo import start_demo
from pipeline.hard_cases.encode import embeddings_of, encode_round
from pipeline.hard_cases.export import export_shortlist
from pipeline.hard_cases.import_back import import_annotations
from pipeline.hard_cases.needles import find_failures
from pipeline.hard_cases.shortlist import make_shortlist
from pipeline.hard_cases.start import split_of, start_case, start_next_round
from pipeline.hard_cases.steps import next_step, steps_of
from pipeline.settings import Settings
from tests.drawn_scenes import detected, hurt, scenes
from tests.tiny_gallery import encoder, run

SPEC = "color_histogram:grid=2,bins=4"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """scenes/, truth.json, predictions.json, retrained.json."""
    truth = scenes(tmp_path / "scenes")
    annotations.write(truth, tmp_path / "truth.json")
    annotations.write(detected(truth), tmp_path / "predictions.json")
    annotations.write(detected(truth, fails=False), tmp_path / "retrained.json")
    return tmp_path


def started(files: Path, name: str = "mine", **options: object) -> Case:
    given = {"pictures": files / "scenes", "truth": files / "truth.json", "predictions": files / "predictions.json"}
    return start_case(name, Settings(), **(given | {"reference": 0.25, "seed": 3} | options))  # type: ignore[arg-type]


def encoded(round: Round, *, objects: bool = True) -> Round:
    encode_round(round, Settings(), encoder(SPEC), spec=SPEC, objects=objects)
    return round


@pytest.fixture
def listed(files: Path, home: Path) -> Round:
    """As far as the shortlist."""
    round = encoded(started(files).round())
    find_failures(round)
    make_shortlist(round, Settings(), k=20, min_score=0.96)
    return round


def test_the_split_depends_on_the_seed_alone_and_holds_every_picture_once(files: Path, home: Path) -> None:
    first, second = started(files, "one").round().split, started(files, "other").round().split
    assert first == second
    assert len(first["reference"]) == 15
    assert sorted(first["reference"] + first["haystack"]) == [f"scene_{number:03d}.png" for number in range(60)]
    assert started(files, "third", seed=4).round().split != first


def test_needles_are_the_predictions_of_the_reference_that_no_object_of_their_label_explains(
    files: Path, home: Path
) -> None:
    round = started(files).round()
    find_failures(round)
    wrong = []
    for prediction in round.predictions.boxes.to_dict("records"):
        if prediction["path"] not in round.reference:
            continue
        explained = False
        for true in round.truth.boxes.to_dict("records"):
            equal = all(prediction[side] == true[side] for side in ("path", "label", "x", "y"))
            explained = explained or equal
        if not explained:
            wrong.append(f"p{prediction['number']}")
    assert wrong
    assert sorted(round.table("needles")["needle"]) == sorted(wrong)
    assert set(round.table("needles")["kind"]) == {"confused class"}


def test_needles_can_be_missed_objects_or_those_of_one_label(files: Path, home: Path) -> None:
    round = started(files).round()
    find_failures(round, kind="fn")
    missed = round.table("needles")
    assert set(missed["path"]) == hurt() & set(round.reference)
    assert set(missed["source"]) == {"object"}
    label = missed["label"].iat[0]
    find_failures(round, kind=f"label={label}")
    for row in round.table("needles").itertuples():
        assert label in (row.label, row.truth_label)
    with pytest.raises(UsageError, match="no box of the reference is called 'car'; choose from"):
        find_failures(round, kind="label=car")
    with pytest.raises(UsageError, match="unknown kind of needles 'tp'"):
        find_failures(round, kind="tp")


@pytest.mark.parametrize("objects", [True, False])
def test_the_shortlist_is_what_comparing_everything_with_every_needle_gives(
    files: Path, home: Path, objects: bool
) -> None:
    round = encoded(started(files).round(), objects=objects)
    find_failures(round)
    make_shortlist(round, Settings(), k=3, min_score=0.5)
    _, crops, embeddings = embeddings_of(round, Settings())
    expected = set()
    for needle in round.table("needles").itertuples():
        [query] = [
            at
            for at, crop in enumerate(crops.itertuples())
            if crop.path == needle.path and (not objects or (crop.source, crop.number) == ("prediction", needle.number))
        ]
        best: dict[str, float] = {}
        for at, crop in enumerate(crops.itertuples()):
            score = float(np.dot(embeddings[query], embeddings[at]))
            if crop.part == "haystack" and score >= 0.5:
                best[crop.path] = max(score, best.get(crop.path, -1.0))
        for path in sorted(best, key=lambda path: -best[path])[:3]:
            expected.add((needle.needle, path, f"{best[path]:.4f}"))
    rows = round.table("shortlist")
    assert {(row.needle, row.path, f"{row.score:.4f}") for row in rows.itertuples()} == expected


def test_the_shortlist_holds_the_pictures_that_hurt_and_the_figures_say_so(listed: Round) -> None:
    result = compare_parts(listed, rounds=200)
    chosen, haystack = set(review.shortlisted(listed)["path"]), listed.pool
    assert chosen == hurt() & set(haystack)
    assert result["holds"]
    assert result["clear"]
    assert "no two 95 % intervals overlap" in result["sentence"]
    assert result["map"]["rest"]["value"] == 1.0
    shares = result["failing"]["shares"]
    assert shares == {"rest": 0.0, "shortlist": 1.0, "haystack": len(chosen) / len(haystack)}
    assert result["failing"]["enrichment"] == pytest.approx(len(haystack) / len(chosen), rel=0.2)
    low, high = result["control"]["low"], result["control"]["high"]
    assert low <= result["control"]["value"] <= high


def test_a_random_shortlist_is_told_from_a_good_one() -> None:
    def figure(value: float, low: float, high: float) -> dict[str, float]:
        return {"value": value, "low": low, "high": high}

    differences = {"a": figure(0.1, 0.05, 0.2), "b": figure(0.1, -0.05, 0.2)}
    apart = {"rest": figure(0.9, 0.85, 0.95), "haystack": figure(0.8, 0.78, 0.82), "shortlist": figure(0.4, 0.3, 0.5)}
    close = apart | {"haystack": figure(0.88, 0.84, 0.92)}
    inverted = apart | {"rest": figure(0.7, 0.6, 0.75)}
    verdicts = [verdict({"map": parts, "differences": differences}) for parts in (apart, close, inverted)]
    assert [(result["holds"], result["clear"]) for result in verdicts] == [(True, True), (True, False), (False, False)]
    assert "H − S and H overlap. More pictures are needed" in verdicts[1]["sentence"]
    assert "not H − S > H > S" in verdicts[2]["sentence"]


def test_what_a_person_leaves_out_leaves_the_shortlist_and_comes_back_by_undo(listed: Round) -> None:
    before = review.shortlisted(listed)
    needle, path = before["needle"].iat[0], before["path"].iat[-1]
    compare_parts(listed, rounds=100)
    review.record(listed, "drop", [needle])
    review.record(listed, "remove", [path])
    after = review.shortlisted(listed)
    assert needle not in set(after["needle"])
    assert path not in set(after["path"])
    assert {step.name: step.state for step in steps_of(listed)}["compare"] == "stale"
    assert review.undo(listed) == {"word": "remove", "ids": [path]}
    assert review.undo(listed) == {"word": "drop", "ids": [needle]}
    assert review.undo(listed) is None
    assert review.shortlisted(listed).equals(before)
    review.record(listed, "drop", ["confused class"])  # a kind stands for all its needles
    assert review.kept_failures(listed).empty
    review.undo(listed)
    assert review.shortlisted(listed).equals(before)
    with pytest.raises(UsageError, match="there is no needle 'poor box'"):
        review.record(listed, "drop", ["poor box"])
    assert {step.name: step.state for step in steps_of(listed)}["compare"] == "done"
    with pytest.raises(UsageError, match="no needle 'p99999'"):
        review.record(listed, "drop", ["p99999"])


def test_a_copy_of_a_picture_is_shortlisted_once(files: Path, home: Path) -> None:
    """One more file with the same pixels and other bytes, of a picture that hurts."""
    round = started(files).round()
    path = sorted(hurt() & set(round.pool))[0]
    copy = f"copy_of_{path}"
    Image.open(files / "scenes" / path).save(files / "scenes" / copy, compress_level=0)
    for name in ("truth", "predictions"):
        kept = annotations.read(files / f"{name}.json", "coco")
        boxes = kept.boxes.to_dict("records")
        boxes += [box | {"path": copy} for box in boxes if box["path"] == path]
        pictures = [*kept.pictures.to_dict("records"), {"path": copy, "width": 96, "height": 96}]
        annotations.write(
            annotations.of(pictures, [box | {"number": at} for at, box in enumerate(boxes)]), files / f"{name}.json"
        )
    for seed in range(20):  # until both fall into the haystack
        split = split_of(sorted([*round.pool, *round.reference, copy]), reference=0.25, seed=seed)
        if {path, copy} <= set(split["haystack"]):
            break
    round = encoded(started(files, "copied", seed=seed).round())
    find_failures(round)
    result = make_shortlist(round, Settings(), k=30, min_score=0.96)
    assert result["copies"] == 1
    assert len({path, copy} & set(review.shortlisted(round)["path"])) == 1


def test_a_step_without_the_one_before_names_it(files: Path, home: Path) -> None:
    round = started(files).round()
    for step, ask in (
        ("needles", lambda: make_shortlist(round, Settings())),
        ("shortlist", lambda: compare_parts(round)),
        ("shortlist", lambda: export_shortlist(round, files / "out")),
        ("import", lambda: start_next_round(round.case)),
    ):
        with pytest.raises(SemblanceError, match=f"python -m pipeline hard-cases {step} mine"):
            ask()
    find_failures(round)
    with pytest.raises(SemblanceError, match="hard-cases encode mine"):
        make_shortlist(round, Settings())
    assert next_step(round) == "encode"


def test_a_step_that_is_done_again_takes_away_what_was_made_from_it(listed: Round) -> None:
    compare_parts(listed, rounds=100)
    find_failures(listed, kind="fn")
    assert listed.result("shortlist") is None
    assert listed.result("compare") is None


def test_a_case_is_not_started_twice_and_is_gone_after_drop(files: Path, home: Path) -> None:
    case = started(files)
    with pytest.raises(UsageError, match="there is a case 'mine' already"):
        started(files)
    drop_case(case)
    assert case_names(Settings()) == []
    assert started(files).round().number == 1
    with pytest.raises(SemblanceError, match=r"no case 'other' \(there is: mine\)"):
        open_case("other", Settings())
    with pytest.raises(UsageError, match="bad gallery name"):
        open_case("../mine", Settings())


def test_wrong_files_are_refused_by_what_they_are(files: Path, home: Path) -> None:
    truth = annotations.read(files / "truth.json", "coco")
    annotations.write(annotations.of(truth.pictures, []), files / "empty.json")
    for given, message in (
        ({"predictions": files / "empty.json"}, "has no predictions; run the detector"),
        ({"truth": files / "empty.json"}, "has no boxes; give the ground truth"),
        ({"truth": files / "predictions.json"}, "these are predictions; give the ground truth"),
        ({"predictions": files / "truth.json"}, "this is ground truth; give what the detector says"),
        ({"truth": files / "nowhere.json"}, "no such file"),
        ({"reference": 1.0}, "choose a share between 0 and 1"),
        ({"reference": 0.9}, "leave 6 to search, 10 are the least"),
    ):
        with pytest.raises(UsageError, match=message):
            started(files, "wrong", **given)
    assert case_names(Settings()) == []


def test_pictures_that_are_gone_are_left_out_and_named(files: Path, home: Path) -> None:
    for number in (1, 2):
        (files / "scenes" / f"scene_{number:03d}.png").unlink()
    case = started(files)
    assert case.about["missing"] == 2
    assert case.about["first_missing"] == ["scene_001.png", "scene_002.png"]
    assert "scene_001.png" not in case.round().truth.pictures["path"].tolist()


def test_without_a_false_positive_it_says_what_there_is(files: Path, home: Path) -> None:
    round = started(files, predictions=files / "retrained.json").round()
    with pytest.raises(
        SemblanceError, match=r"no false positive among 45 predictions of at least 0\.5 on the 15 pictures"
    ):
        find_failures(round)
    round = started(files, "second").round()
    with pytest.raises(SemblanceError, match=r"--score 0\.05, gives \d+; 45 objects are missed: --kind fn"):
        find_failures(round, score=0.99)


def test_an_empty_shortlist_says_how_near_the_nearest_is(files: Path, home: Path) -> None:
    round = encoded(started(files).round())
    find_failures(round)
    with pytest.raises(SemblanceError, match=r"no picture of the haystack reaches the score 1\.100; the nearest has"):
        make_shortlist(round, Settings(), min_score=1.1)
    make_shortlist(round, Settings(), k=100, min_score=-1)
    with pytest.raises(SemblanceError, match="the shortlist takes 45 of the 45 pictures"):
        compare_parts(round)
    review.record(round, "drop", round.table("needles")["needle"].tolist())
    with pytest.raises(SemblanceError, match="the shortlist is empty: every needle was dropped"):
        compare_parts(round)


def test_what_is_exported_is_the_shortlist_and_can_be_read_back(listed: Round, tmp_path: Path) -> None:
    chosen = set(review.shortlisted(listed)["path"])
    export_shortlist(listed, tmp_path / "coco")
    for name, whole in (("annotations", listed.truth), ("predictions", listed.predictions)):
        back = annotations.read(tmp_path / "coco" / f"{name}.json", "coco")
        assert set(back.pictures["path"]) == chosen
        assert len(back.boxes) == len(whole.only(chosen).boxes)
    result = export_shortlist(listed, tmp_path, format="csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / result["files"][0]).read_text())))
    assert {row["path"] for row in rows} == chosen
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(UsageError, match="unknown format 'pdf'"):
        export_shortlist(listed, tmp_path, format="pdf")


def test_a_zip_holds_each_picture_and_a_copy_with_its_boxes_and_names_what_is_gone(
    listed: Round, tmp_path: Path
) -> None:
    chosen = sorted(set(review.shortlisted(listed)["path"]))
    (listed.case.root / chosen[0]).unlink()
    result = export_shortlist(listed, tmp_path, format="zip")
    assert result["missing"] == [chosen[0]]
    with zipfile.ZipFile(tmp_path / result["files"][0]) as archive:
        held = archive.namelist()
        assert archive.read("NOT_IN_THIS_ZIP.txt").decode() == chosen[0]
        assert archive.read(f"pictures/{chosen[1]}") == (listed.case.root / chosen[1]).read_bytes()
        marked = np.asarray(Image.open(io.BytesIO(archive.read(f"marked/{chosen[1][:-4]}.jpg"))).convert("RGB"), int)
    assert {f"pictures/{path}" for path in chosen[1:]} < set(held)
    plain = np.asarray(Image.open(listed.case.root / chosen[1]).convert("RGB"), int)
    assert (np.abs(marked - plain).sum(axis=2) > 100).mean() > 0.02


def test_corrections_of_a_few_pictures_replace_those_and_leave_the_others(listed: Round, files: Path) -> None:
    chosen = sorted(set(review.shortlisted(listed)["path"]))
    moved = listed.truth.only(chosen[:2])
    boxes = moved.boxes.assign(x=moved.boxes["x"].where(moved.boxes["path"] != chosen[0], moved.boxes["x"] - 2))
    annotations.write(annotations.of(moved.pictures, boxes), files / "corrected.json")
    result = import_annotations(listed, truth=files / "corrected.json", predictions=files / "retrained.json")
    assert result["corrected"] == 1
    assert result["map"]["reference"]["after"]["value"] == 1.0
    assert result["map"]["reference"]["difference"]["value"] > 0.1
    assert result["sentence"].startswith("On the reference mAP goes from 0.")
    corrected = annotations.read(listed.folder / "after" / "truth.json", "coco")
    assert len(corrected.boxes) == len(listed.truth.boxes)
    for path in chosen[:2]:
        shift = 2 if path == chosen[0] else 0
        before, after = (
            annotated.boxes[annotated.boxes["path"] == path]["x"].tolist() for annotated in (listed.truth, corrected)
        )
        assert sorted(after) == sorted(x - shift for x in before)


def test_the_next_round_searches_what_was_never_shortlisted(listed: Round, files: Path) -> None:
    chosen = set(review.shortlisted(listed)["path"])
    import_annotations(listed, predictions=files / "predictions.json")
    assert next_step(listed) == "compare"
    assert start_next_round(listed.case).number == 2
    round = listed.case.round()
    assert round.reference == listed.reference
    assert set(round.pool) == set(listed.pool) - chosen
    assert round.result("encode") is None
    result = encode_round(round, Settings(), encoder(SPEC), spec=SPEC)
    assert (result["gallery"], result["added"]) == ("mine_objects", 0)


def test_nothing_or_the_wrong_thing_cannot_be_imported(listed: Round, files: Path) -> None:
    with pytest.raises(UsageError, match="nothing to import"):
        import_annotations(listed)
    with pytest.raises(UsageError, match="these are predictions; give the annotations"):
        import_annotations(listed, truth=files / "predictions.json")
    with pytest.raises(UsageError, match="no boxes with scores"):
        import_annotations(listed, predictions=files / "truth.json")


def test_another_encoder_gets_a_gallery_of_its_own(listed: Round) -> None:
    spec = "color_histogram:grid=2,bins=2"
    result = encode_round(listed, Settings(), encoder(spec), spec=spec)
    assert result["gallery"] == "mine_objects_2"
    assert listed.result("shortlist") is None


def test_a_damaged_case_says_what_to_do(files: Path, home: Path) -> None:
    case = started(files)
    (case.folder / "round-01" / "needles.json").write_text("{")
    with pytest.raises(SemblanceError, match=r"is damaged .* do the step needles again"):
        case.round().result("needles")
    (case.folder / "case.json").write_text("[]")
    with pytest.raises(SemblanceError, match="start the case again after"):
        open_case("mine", Settings()).about  # noqa: B018
    shutil.rmtree(files / "scenes")


def test_the_command_line_goes_from_start_to_the_next_round(files: Path, home: Path) -> None:
    words = [
        "--pictures",
        files / "scenes",
        "--truth",
        files / "truth.json",
        "--predictions",
        files / "predictions.json",
    ]
    assert run("hard-cases", "start", "mine", *words, "--reference", "0.25", "--seed", "3").returncode == 0
    early = run("hard-cases", "compare", "mine")
    assert (early.returncode, early.stdout) == (1, "")
    assert "hard-cases shortlist mine" in early.stderr
    for verb in (
        ["encode", "mine", "--encoder", SPEC, "--progress", "none"],
        ["needles", "mine"],
        ["shortlist", "mine", "-k", "20", "--min-score", "0.96"],
    ):
        done = run("hard-cases", *verb)
        assert done.returncode == 0, done.stderr
    compared = run("hard-cases", "compare", "mine", "--json", "--progress", "none")
    assert json.loads(compared.stdout)["clear"] is True
    back = run("hard-cases", "import", "mine", "--predictions", files / "retrained.json", "--progress", "none")
    assert "On the reference mAP goes from" in back.stdout
    assert "hard-cases next mine" in back.stderr, "what was imported need not be exported any more"
    assert run("hard-cases", "next", "mine").stdout.startswith("mine: round 2")
    shown = json.loads(run("hard-cases", "show", "mine", "--json").stdout)
    assert [one["round"] for one in shown["rounds"]] == [1, 2]
    assert shown["next"] == "python -m pipeline hard-cases encode mine"
    assert run("hard-cases", "start", "mine", *words).returncode == 2
    assert run("hard-cases", "drop", "mine", "--yes").returncode == 0
    assert "no cases yet" in run("hard-cases", "list").stdout


def test_the_demo_begins_with_a_detector_that_is_wrong_on_stripes_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="take 50 at least"):
        start_demo(Settings(), scenes=10)
