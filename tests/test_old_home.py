"""A home that an older Semblance made opens as it is: galleries, maps, reports, cases, runs, exports and backups.

`old_home/make.py` made it with commit 0491442. Only the command line and the app's pages are asked, so these tests hold
wherever the code behind them moves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import ROOT

OLD = Path(__file__).parent / "old_home"
ANSWERS = json.loads((OLD / "answers.json").read_text(encoding="utf-8"))
PLACE = "/home/me/semblance"  # what paths in its files begin with
EVERYTHING = "-2,-2;2,-2;2,2;-2,2"
MADE_AGAIN = re.compile(r"milvus\.db|cache|logs|jobs")


@dataclass(frozen=True)
class Old:
    """What the archive holds, unpacked. root / "home" is its $SEMBLANCE_HOME."""

    root: Path

    @property
    def shelf(self) -> Path:
        return self.root / "home" / "galleries" / "shelf"

    def run(self, package: str, *words: str | Path) -> str:
        """What `python -m PACKAGE WORDS` prints; it must end well."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SEMBLANCE_")}
        kept |= {"SEMBLANCE_HOME": str(self.root / "home"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", package, *map(str, words)]
        done = subprocess.run(command, env=kept, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, f"{' '.join(command[2:])}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def told(self, package: str, *words: str | Path) -> Any:
        return json.loads(self.run(package, *words, "--json"))

    def hits(self, gallery: str, *words: str) -> dict[str, float]:
        """Id to score, best first."""
        asked = ("search", gallery, "--id", ANSWERS["asked"], "-k", "5", *words)
        return {hit["id"]: hit["score"] for hit in self.told("pipeline", *asked)["hits"]}

    def report(self, kind: str) -> dict[str, Any]:
        [file] = (self.shelf / "reports").glob(f"{kind}-2*.json")
        return json.loads(file.read_text(encoding="utf-8")) | {"name": file.stem}

    def digests(self) -> dict[str, str]:
        """Of all files that hold what cannot be made again."""
        files = (file for file in (self.root / "home").rglob("*") if file.is_file() and not file.name.startswith("."))
        named = {file.relative_to(self.root / "home"): file for file in files}
        return {
            path.as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for path, file in named.items()
            if not MADE_AGAIN.match(path.as_posix())
        }


def unpacked(folder: Path) -> Old:
    with tarfile.open(OLD / "home.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    for file in folder.rglob("*.json"):
        if PLACE in (text := file.read_text(encoding="utf-8")):
            file.write_text(text.replace(PLACE, folder.as_posix()), encoding="utf-8")
    return Old(folder)


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return unpacked(tmp_path)


def nearly(scores: dict[str, float]) -> Any:
    return pytest.approx(scores, abs=1e-4)


def test_its_galleries_are_listed_and_fill_an_empty_milvus(old: Old) -> None:
    listed = old.run("pipeline", "galleries")
    for name, rows, title in (("shelf", 29, "The old shelf"), ("signs_objects", 135, ""), ("signs_pictures", 22, "")):
        assert re.search(rf"{name} +{rows} pictures  color_histogram:grid=2,bins=4 .*{title}", listed)
    assert "29 missing, 0 surplus, 0 stale before; now equal" in old.run("pipeline", "sync", "shelf")
    assert "29 rows, files and index checked, nothing wrong" in old.run("pipeline", "verify", "shelf")


def test_a_search_in_it_has_the_hits_and_scores_it_had(old: Old) -> None:
    assert old.hits("shelf") == nearly(ANSWERS["hits"])
    assert list(old.hits("shelf")) == list(ANSWERS["hits"])
    assert old.hits("shelf", "--where", "split=test") == nearly(ANSWERS["hits_of_test"])


def test_a_removal_of_then_still_counts_and_can_be_undone(old: Old) -> None:
    assert ANSWERS["removed"] not in old.hits("shelf", "-k", "29")
    old.run("pipeline", "restore", "shelf", "--ids", ANSWERS["removed"])
    assert ANSWERS["removed"] in old.hits("shelf", "-k", "29")


def test_ingesting_its_dataset_again_changes_no_row(old: Old) -> None:
    before = old.digests()
    old.run("pipeline", "ingest", "shelf", "--dataset", "catalogue:items=16,views=2,size=64")
    changed = {path for path, digest in old.digests().items() if before.get(path) != digest}
    lists = {"gallery.json", "owners.csv", "gone.csv"}  # whose file a row is, and which are gone: kept since
    assert {path for path in changed if path.rpartition("/")[2] not in lists} == set()
    assert old.hits("shelf") == nearly(ANSWERS["hits"])


def _of_tiers(found: list[dict[str, Any]], tiers: list[str]) -> list[dict[str, Any]]:
    """Groups, or what is said of them, of these tiers; without what an older report did not say."""
    kept = [{key: value for key, value in one.items() if key != "group"} for one in found if one["tier"] in tiers]
    for group in kept:
        for member in group.get("members", ()):
            member.pop("agreement", None)
    return kept


def test_its_figures_come_out_as_they_did(old: Old) -> None:
    measured = old.told("pipeline", "evaluate", "shelf")["metrics"]
    assert {name: measured[name]["value"] for name in ANSWERS["metrics"]} == pytest.approx(ANSWERS["metrics"], abs=1e-5)
    then = old.report("duplicates")
    now = old.told("pipeline", "duplicates", "shelf")
    assert now["threshold"] == pytest.approx(then["threshold"])
    for key in ("groups", "label_conflicts", "leakage"):
        assert _of_tiers(now[key], then["tiers"]) == _of_tiers(then[key], then["tiers"])


@pytest.mark.parametrize("file", ["shelf.parquet", "shelf.npz"])
def test_what_it_exported_becomes_a_gallery(old: Old, file: str) -> None:
    old.run("pipeline", "import", "again", old.root / "files" / file)
    assert old.hits("again") == nearly(ANSWERS["hits"])
    assert old.hits("again", "--where", "split=test") == nearly(ANSWERS["hits_of_test"])


def test_its_backup_becomes_a_gallery_with_what_people_said(old: Old) -> None:
    old.run("pipeline", "restore-backup", old.root / "files" / "shelf.tar", "--name", "again")
    again = old.shelf.with_name("again")
    assert (again / "judgments.jsonl").read_bytes() == (old.shelf / "judgments.jsonl").read_bytes()
    assert old.hits("again", "-k", "29").keys() == old.hits("shelf", "-k", "29").keys()
    assert "the one" in old.run("pipeline", "identity", "list", "again")


def test_its_case_stands_where_it_stood_and_goes_on(old: Old) -> None:
    told = json.dumps(ANSWERS["case"]).replace(PLACE, str(old.root))
    assert old.told("pipeline", "hard-cases", "show", "signs") == json.loads(told)
    cases = ("pipeline", "hard-cases")
    assert old.told(*cases, "needles", "signs", "--kind", "fn")["rows"]
    assert old.told(*cases, "shortlist", "signs", "-k", "3", "--min-score", "0")["pictures"] > 0
    assert old.told(*cases, "compare", "signs", "--rounds", "100")["map"]["haystack"]["value"] > 0
    old.run(*cases, "export", "signs", old.root / "sent", "--format", "zip")
    assert list((old.root / "sent").iterdir())


def test_its_run_is_evaluated_as_it_was_and_exported(old: Old) -> None:
    report = old.told("training", "evaluate", "old")
    assert report["fingerprint"] == ANSWERS["run"]["fingerprint"]
    for name, figure in ANSWERS["run"]["metrics"].items():
        assert report["metrics"][name]["value"] == pytest.approx(figure["value"], abs=1e-3), name
    old.run("training", "export", "old", old.root / "model")
    exported = f"deep_ranking:weights={old.root / 'model'}"
    pictures = f"folder:root={old.root / 'home' / 'cache'}"
    for name, encoder in (("of_run", "checkpoint:run=old"), ("of_export", exported)):
        old.run("pipeline", "ingest", name, "--dataset", pictures, "--encoder", encoder, "--limit", "4")
    assert "of_run" in (listed := old.run("pipeline", "galleries"))
    assert "of_export" in listed


def test_its_run_that_was_stopped_goes_on_to_its_end(old: Old) -> None:
    run = old.root / "home" / "runs" / "old"
    stopped = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert stopped["status"] == "stopped"
    assert "finished" in old.run("training", "train", "--resume", "old")
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert max(steps) == stopped["steps"] > steps[0]
    assert sorted(file.name for file in run.glob("*.safetensors")) == [
        "best.safetensors", "classification.safetensors", "triplet_hinge.safetensors",
    ]  # fmt: skip


Seen = dict[str, Any]


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Old, dict[str, Seen]]:
    """What each page shows of the old home. They are opened one after the other, and change none of its files."""
    old = unpacked(tmp_path_factory.mktemp("old"))
    shelf, case = {"gallery": "shelf"}, {"case": "signs"}
    visits = {
        "search": ("search", shelf | {"ids": ANSWERS["asked"]}),
        "galleries": ("galleries", {}),
        "map": ("explore", shelf | {"colour": "tag", "select": EVERYTHING}),
        "clusters": ("explore", shelf | {"section": "clusters"}),
        "oddities": ("explore", shelf | {"section": "oddities"}),
        "duplicates": ("explore", shelf | {"section": "duplicates"}),
        "evaluation": ("evaluate", shelf),
        "encoders": ("evaluate", shelf | {"section": "encoders"}),
        "length": ("evaluate", shelf | {"section": "length"}),
        "pairs": ("pairs", shelf),
        "indexes": ("indexes", shelf),
        "case": ("hard_cases", case),
        "first round": ("hard_cases", case | {"round": "1", "step": "compare"}),
        "training": ("training", {}),
    }
    old.run("pipeline", "sync", "shelf")
    before = old.digests()
    told = old.run("tests.old_home.visit", json.dumps(list(visits.values()))).splitlines()[-1]
    assert old.digests() == before
    return old, dict(zip(visits, json.loads(told), strict=True))


def test_no_page_has_anything_to_complain_of(visited: tuple[Old, dict[str, Seen]]) -> None:
    assert {name: seen["alerts"] for name, seen in visited[1].items() if seen["alerts"]} == {}
    assert all(len(seen["title"]) == 1 for seen in visited[1].values())


def test_the_search_page_shows_the_hits_of_then(visited: tuple[Old, dict[str, Seen]]) -> None:
    tiles = [one for one in visited[1]["search"]["components"] if "tiles" in one][-1]["tiles"]
    scored = {tile["id"]: float(tile["score"]) for tile in tiles if "score" in tile}
    assert dict(list(scored.items())[:5]) == pytest.approx(ANSWERS["hits"], abs=1e-3)


def test_the_galleries_page_counts_what_was_merged_rejected_and_removed(visited: tuple[Old, dict[str, Seen]]) -> None:
    assert "1 removed · 1 merged (same bytes) · 1 rejected" in visited[1]["galleries"]["text"]


def test_the_map_of_then_is_drawn_with_its_tag_and_a_selection(visited: tuple[Old, dict[str, Seen]]) -> None:
    old, seen = visited
    [about] = (old.shelf / "projections").glob("pca-2d-*.json")
    assert json.loads(about.read_text(encoding="utf-8"))["caption"] in seen["map"]["text"]
    assert "**29 selected** of 29" in seen["map"]["text"]
    [drawn] = [one for one in seen["map"]["components"] if "legend" in one]
    assert [(entry["name"], entry["count"]) for entry in drawn["legend"]] == [("seen in 2026", "29")]


def test_the_reports_of_then_are_shown(visited: tuple[Old, dict[str, Seen]]) -> None:
    old, seen = visited
    clusters = [(row["cluster"], row["size"]) for row in seen["clusters"]["tables"][0]]
    assert clusters == [(one["cluster"], one["size"]) for one in old.report("clusters")["clusters"]]
    doubted = old.report("label-errors")
    assert f"{doubted['doubted']} have neighbours that prefer another label" in seen["oddities"]["text"]
    assert "watering_can/watering_can-000_1.jpg" in seen["duplicates"]["text"]
    for name, value in ANSWERS["metrics"].items():
        assert f'<div class="name">{name}</div><b>{value:.3f}</b>' in seen["evaluation"]["text"]
    compared = {row["encoder"] for row in old.report("encoders")["rows"]}
    assert compared <= {cell for table in seen["encoders"]["tables"] for row in table for cell in row.values()}
    length = old.report("length")
    assert f"**{length['recommended']} of {length['dim']} dimensions are the fewest" in seen["length"]["text"]
    assert f"seed {old.report('same-or-different')['seed']}" in seen["pairs"]["text"]
    for sentence in old.report("indexes")["advice"]:
        assert sentence in seen["indexes"]["text"].replace("\\", "").replace("\u2060", "")  # shown as it is: literal


def test_the_case_of_then_is_shown_round_by_round(visited: tuple[Old, dict[str, Seen]]) -> None:
    _, seen = visited
    first, second = ANSWERS["case"]["rounds"]
    assert f"**{second['haystack']}** pictures to search" in seen["case"]["text"]
    assert first["results"]["compare"]["sentence"] in seen["first round"]["text"]
    rounds = seen["case"]["tables"][-1]
    assert [row["mAP H"] for row in rounds] == [
        pytest.approx(first["results"]["compare"]["map"]["haystack"]["value"]),
        None,
    ]


def test_the_run_of_then_is_shown_with_its_curves_and_triplets(visited: tuple[Old, dict[str, Seen]]) -> None:
    old, seen = visited
    about = json.loads((old.root / "home" / "runs" / "old" / "run.json").read_text(encoding="utf-8"))
    [row] = seen["training"]["tables"][0]
    assert (row["run"], row["recall_at_1"]) == ("old", about["figures"]["recall_at_1"])
    assert "stopped" in row["status"]
    assert {"Loss", "Neighbours on dev", "Distances on dev"} <= set(seen["training"]["charts"])
    assert seen["training"]["text"].count('role="listitem"') > 10
