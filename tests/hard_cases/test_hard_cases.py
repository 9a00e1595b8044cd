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
from pipeline.hard_cases import case as hard_cases
from pipeline.hard_cases import choices, compare, demo, encode, export, import_back, needles, shortlist, start, steps
from pipeline.hard_cases.case import Case, Round
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


def begun(files: Path, name: str = "mine", **options: object) -> Case:
    given = {"pictures": files / "scenes", "truth": files / "truth.json", "predictions": files / "predictions.json"}
    return start.start(name, Settings(), **(given | {"reference": 0.25, "seed": 3} | options))  # type: ignore[arg-type]


def encoded(turn: Round, *, objects: bool = True) -> Round:
    encode.encode(turn, Settings(), encoder(SPEC), spec=SPEC, objects=objects)
    return turn


@pytest.fixture
def listed(files: Path, home: Path) -> Round:
    """As far as the shortlist."""
    turn = encoded(begun(files).round())
    needles.find(turn)
    shortlist.make(turn, Settings(), k=20, min_score=0.96)
    return turn


def test_the_split_depends_on_the_seed_alone_and_holds_every_picture_once(files: Path, home: Path) -> None:
    one, other = begun(files, "one").round().split, begun(files, "other").round().split
    assert one == other
    assert len(one["reference"]) == 15
    assert sorted(one["reference"] + one["haystack"]) == [f"scene_{number:03d}.png" for number in range(60)]
    assert begun(files, "third", seed=4).round().split != one


def test_needles_are_the_predictions_of_the_reference_that_no_object_of_their_label_explains(
    files: Path, home: Path
) -> None:
    turn = begun(files).round()
    needles.find(turn)
    wrong = []
    for found in turn.predictions.boxes.to_dict("records"):
        if found["path"] not in turn.split["reference"]:
            continue
        right = False
        for known in turn.truth.boxes.to_dict("records"):
            same = all(found[side] == known[side] for side in ("path", "label", "x", "y"))
            right = right or same
        if not right:
            wrong.append(f"p{found['number']}")
    assert wrong
    assert sorted(turn.table("needles")["needle"]) == sorted(wrong)
    assert set(turn.table("needles")["kind"]) == {"confused class"}


def test_needles_can_be_missed_objects_or_those_of_one_label(files: Path, home: Path) -> None:
    turn = begun(files).round()
    needles.find(turn, kind="fn")
    missed = turn.table("needles")
    assert set(missed["path"]) == hurt() & set(turn.split["reference"])
    assert set(missed["source"]) == {"object"}
    label = missed["label"].iat[0]
    needles.find(turn, kind=f"label={label}")
    for row in turn.table("needles").itertuples():
        assert label in (row.label, row.truth_label)
    with pytest.raises(UsageError, match="no box of the reference is called 'car'; choose from"):
        needles.find(turn, kind="label=car")
    with pytest.raises(UsageError, match="unknown kind of needles 'tp'"):
        needles.find(turn, kind="tp")


@pytest.mark.parametrize("objects", [True, False])
def test_the_shortlist_is_what_comparing_everything_with_every_needle_gives(
    files: Path, home: Path, objects: bool
) -> None:
    turn = encoded(begun(files).round(), objects=objects)
    needles.find(turn)
    shortlist.make(turn, Settings(), k=3, min_score=0.5)
    _, crops, embeddings = encode.embeddings_of(turn, Settings())
    expected = set()
    for needle in turn.table("needles").itertuples():
        [asked] = [
            at
            for at, crop in enumerate(crops.itertuples())
            if crop.path == needle.path and (not objects or (crop.source, crop.number) == ("prediction", needle.number))
        ]
        best: dict[str, float] = {}
        for at, crop in enumerate(crops.itertuples()):
            score = float(np.dot(embeddings[asked], embeddings[at]))
            if crop.part == "haystack" and score >= 0.5:
                best[crop.path] = max(score, best.get(crop.path, -1.0))
        for path in sorted(best, key=lambda path: -best[path])[:3]:
            expected.add((needle.needle, path, round(best[path], 4)))
    rows = turn.table("shortlist")
    assert {(row.needle, row.path, round(row.score, 4)) for row in rows.itertuples()} == expected


def test_the_shortlist_holds_the_pictures_that_hurt_and_the_figures_say_so(listed: Round) -> None:
    result = compare.compare(listed, rounds=200)
    chosen, haystack = set(choices.shortlisted(listed)["path"]), listed.split["haystack"]
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
    def one(value: float, low: float, high: float) -> dict[str, float]:
        return {"value": value, "low": low, "high": high}

    differences = {"a": one(0.1, 0.05, 0.2), "b": one(0.1, -0.05, 0.2)}
    apart = {"rest": one(0.9, 0.85, 0.95), "haystack": one(0.8, 0.78, 0.82), "shortlist": one(0.4, 0.3, 0.5)}
    close = apart | {"haystack": one(0.88, 0.84, 0.92)}
    turned = apart | {"rest": one(0.7, 0.6, 0.75)}
    said = [compare.verdict({"map": parts, "differences": differences}) for parts in (apart, close, turned)]
    assert [(one["holds"], one["clear"]) for one in said] == [(True, True), (True, False), (False, False)]
    assert "H − S and H overlap. More pictures are needed" in said[1]["sentence"]
    assert "not H − S > H > S" in said[2]["sentence"]


def test_what_a_person_leaves_out_leaves_the_shortlist_and_comes_back_by_undo(listed: Round) -> None:
    before = choices.shortlisted(listed)
    needle, path = before["needle"].iat[0], before["path"].iat[-1]
    compare.compare(listed, rounds=100)
    choices.say(listed, "drop", [needle])
    choices.say(listed, "remove", [path])
    after = choices.shortlisted(listed)
    assert needle not in set(after["needle"])
    assert path not in set(after["path"])
    assert {step.name: step.state for step in steps.steps(listed)}["compare"] == "stale"
    assert choices.undo(listed) == {"word": "remove", "ids": [path]}
    assert choices.undo(listed) == {"word": "drop", "ids": [needle]}
    assert choices.undo(listed) is None
    assert choices.shortlisted(listed).equals(before)
    choices.say(listed, "drop", ["confused class"])  # a kind stands for all its needles
    assert choices.kept_needles(listed).empty
    choices.undo(listed)
    assert choices.shortlisted(listed).equals(before)
    with pytest.raises(UsageError, match="there is no needle 'poor box'"):
        choices.say(listed, "drop", ["poor box"])
    assert {step.name: step.state for step in steps.steps(listed)}["compare"] == "done"
    with pytest.raises(UsageError, match="no needle 'p99999'"):
        choices.say(listed, "drop", ["p99999"])


def test_a_copy_of_a_picture_is_shortlisted_once(files: Path, home: Path) -> None:
    """One more file with the same pixels and other bytes, of a picture that hurts."""
    turn = begun(files).round()
    path = sorted(hurt() & set(turn.split["haystack"]))[0]
    copy = f"copy_of_{path}"
    Image.open(files / "scenes" / path).save(files / "scenes" / copy, compress_level=0)
    for name in ("truth", "predictions"):
        known = annotations.read(files / f"{name}.json", "coco")
        boxes = known.boxes.to_dict("records")
        boxes += [one | {"path": copy} for one in boxes if one["path"] == path]
        pictures = [*known.pictures.to_dict("records"), {"path": copy, "width": 96, "height": 96}]
        annotations.write(
            annotations.of(pictures, [one | {"number": at} for at, one in enumerate(boxes)]), files / f"{name}.json"
        )
    for seed in range(20):  # until both fall into the haystack
        split = start.split_of(
            sorted([*turn.split["haystack"], *turn.split["reference"], copy]), reference=0.25, seed=seed
        )
        if {path, copy} <= set(split["haystack"]):
            break
    turn = encoded(begun(files, "copied", seed=seed).round())
    needles.find(turn)
    result = shortlist.make(turn, Settings(), k=30, min_score=0.96)
    assert result["copies"] == 1
    assert len({path, copy} & set(choices.shortlisted(turn)["path"])) == 1


def test_a_step_without_the_one_before_names_it(files: Path, home: Path) -> None:
    turn = begun(files).round()
    for step, ask in (
        ("needles", lambda: shortlist.make(turn, Settings())),
        ("shortlist", lambda: compare.compare(turn)),
        ("shortlist", lambda: export.export(turn, files / "out")),
        ("import", lambda: start.begin_next(turn.case)),
    ):
        with pytest.raises(SemblanceError, match=f"python -m pipeline hard-cases {step} mine"):
            ask()
    needles.find(turn)
    with pytest.raises(SemblanceError, match="hard-cases encode mine"):
        shortlist.make(turn, Settings())
    assert steps.next_step(turn) == "encode"


def test_a_step_that_is_done_again_takes_away_what_was_made_from_it(listed: Round) -> None:
    compare.compare(listed, rounds=100)
    needles.find(listed, kind="fn")
    assert listed.result("shortlist") is None
    assert listed.result("compare") is None


def test_a_case_is_not_begun_twice_and_is_gone_after_drop(files: Path, home: Path) -> None:
    case = begun(files)
    with pytest.raises(UsageError, match="there is a case 'mine' already"):
        begun(files)
    hard_cases.drop(case)
    assert hard_cases.names(Settings()) == []
    assert begun(files).round().number == 1
    with pytest.raises(SemblanceError, match=r"no case 'other' \(there is: mine\)"):
        hard_cases.open_case("other", Settings())
    with pytest.raises(UsageError, match="bad gallery name"):
        hard_cases.open_case("../mine", Settings())


def test_wrong_files_are_refused_by_what_they_are(files: Path, home: Path) -> None:
    truth = annotations.read(files / "truth.json", "coco")
    annotations.write(annotations.of(truth.pictures, []), files / "empty.json")
    for given, said in (
        ({"predictions": files / "empty.json"}, "has no predictions; run the detector"),
        ({"truth": files / "empty.json"}, "has no boxes; give the ground truth"),
        ({"truth": files / "predictions.json"}, "these are predictions; give the ground truth"),
        ({"predictions": files / "truth.json"}, "this is ground truth; give what the detector says"),
        ({"truth": files / "nowhere.json"}, "no such file"),
        ({"reference": 1.0}, "choose a share between 0 and 1"),
        ({"reference": 0.9}, "leave 6 to search, 10 are the least"),
    ):
        with pytest.raises(UsageError, match=said):
            begun(files, "wrong", **given)
    assert hard_cases.names(Settings()) == []


def test_pictures_that_are_gone_are_left_out_and_named(files: Path, home: Path) -> None:
    for number in (1, 2):
        (files / "scenes" / f"scene_{number:03d}.png").unlink()
    case = begun(files)
    assert case.about["missing"] == 2
    assert case.about["first_missing"] == ["scene_001.png", "scene_002.png"]
    assert "scene_001.png" not in case.round().truth.pictures["path"].tolist()


def test_without_a_false_positive_it_says_what_there_is(files: Path, home: Path) -> None:
    turn = begun(files, predictions=files / "retrained.json").round()
    with pytest.raises(
        SemblanceError, match=r"no false positive among 45 predictions of at least 0\.5 on the 15 pictures"
    ):
        needles.find(turn)
    turn = begun(files, "second").round()
    with pytest.raises(SemblanceError, match=r"--score 0\.05, gives \d+; 45 objects are missed: --kind fn"):
        needles.find(turn, score=0.99)


def test_an_empty_shortlist_says_how_near_the_nearest_is(files: Path, home: Path) -> None:
    turn = encoded(begun(files).round())
    needles.find(turn)
    with pytest.raises(SemblanceError, match=r"no picture of the haystack reaches the score 1\.100; the nearest has"):
        shortlist.make(turn, Settings(), min_score=1.1)
    shortlist.make(turn, Settings(), k=100, min_score=-1)
    with pytest.raises(SemblanceError, match="the shortlist takes 45 of the 45 pictures"):
        compare.compare(turn)
    choices.say(turn, "drop", turn.table("needles")["needle"].tolist())
    with pytest.raises(SemblanceError, match="the shortlist is empty: every needle was dropped"):
        compare.compare(turn)


def test_what_is_exported_is_the_shortlist_and_can_be_read_back(listed: Round, tmp_path: Path) -> None:
    chosen = set(choices.shortlisted(listed)["path"])
    export.export(listed, tmp_path / "coco")
    for name, whole in (("annotations", listed.truth), ("predictions", listed.predictions)):
        back = annotations.read(tmp_path / "coco" / f"{name}.json", "coco")
        assert set(back.pictures["path"]) == chosen
        assert len(back.boxes) == len(whole.only(chosen).boxes)
    result = export.export(listed, tmp_path, format="csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / result["files"][0]).read_text())))
    assert {row["path"] for row in rows} == chosen
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(UsageError, match="unknown format 'pdf'"):
        export.export(listed, tmp_path, format="pdf")


def test_a_zip_holds_each_picture_and_a_copy_with_its_boxes_and_names_what_is_gone(
    listed: Round, tmp_path: Path
) -> None:
    chosen = sorted(set(choices.shortlisted(listed)["path"]))
    (listed.case.root / chosen[0]).unlink()
    result = export.export(listed, tmp_path, format="zip")
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
    chosen = sorted(set(choices.shortlisted(listed)["path"]))
    moved = listed.truth.only(chosen[:2])
    boxes = moved.boxes.assign(x=moved.boxes["x"].where(moved.boxes["path"] != chosen[0], moved.boxes["x"] - 2))
    annotations.write(annotations.of(moved.pictures, boxes), files / "corrected.json")
    result = import_back.take_back(listed, truth=files / "corrected.json", predictions=files / "retrained.json")
    assert result["corrected"] == 1
    assert result["map"]["reference"]["after"]["value"] == 1.0
    assert result["map"]["reference"]["difference"]["value"] > 0.1
    assert result["sentence"].startswith("On the reference mAP goes from 0.")
    known = annotations.read(listed.folder / "after" / "truth.json", "coco")
    assert len(known.boxes) == len(listed.truth.boxes)
    for path in chosen[:2]:
        shift = 2 if path == chosen[0] else 0
        before, after = (one.boxes[one.boxes["path"] == path]["x"].tolist() for one in (listed.truth, known))
        assert sorted(after) == sorted(x - shift for x in before)


def test_the_next_round_searches_what_was_never_shortlisted(listed: Round, files: Path) -> None:
    chosen = set(choices.shortlisted(listed)["path"])
    import_back.take_back(listed, predictions=files / "predictions.json")
    assert steps.next_step(listed) == "compare"
    assert start.begin_next(listed.case) == 2
    turn = listed.case.round()
    assert turn.split["reference"] == listed.split["reference"]
    assert set(turn.split["haystack"]) == set(listed.split["haystack"]) - chosen
    assert turn.result("encode") is None
    result = encode.encode(turn, Settings(), encoder(SPEC), spec=SPEC)
    assert (result["gallery"], result["added"]) == ("mine_objects", 0)


def test_nothing_or_the_wrong_thing_cannot_be_imported(listed: Round, files: Path) -> None:
    with pytest.raises(UsageError, match="nothing to import"):
        import_back.take_back(listed)
    with pytest.raises(UsageError, match="these are predictions; give the annotations"):
        import_back.take_back(listed, truth=files / "predictions.json")
    with pytest.raises(UsageError, match="no boxes with scores"):
        import_back.take_back(listed, predictions=files / "truth.json")


def test_another_encoder_gets_a_gallery_of_its_own(listed: Round) -> None:
    spec = "color_histogram:grid=2,bins=2"
    result = encode.encode(listed, Settings(), encoder(spec), spec=spec)
    assert result["gallery"] == "mine_objects_2"
    assert listed.result("shortlist") is None


def test_a_damaged_case_says_what_to_do(files: Path, home: Path) -> None:
    case = begun(files)
    (case.folder / "round-01" / "needles.json").write_text("{")
    with pytest.raises(SemblanceError, match=r"is damaged .* do the step needles again"):
        case.round().result("needles")
    (case.folder / "case.json").write_text("[]")
    with pytest.raises(SemblanceError, match="start the case again after"):
        hard_cases.open_case("mine", Settings()).about  # noqa: B018
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
        demo.start(Settings(), scenes=10)
