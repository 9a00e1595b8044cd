"""The golden feature's weights: what judgments teach, what was held out, and what `train --golden` takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import fill
from tiny_training import LABELS, Said, photos

from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.gallery import feedback
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings
from training import runs
from training.data.prepared import Prepared
from training.sampling import golden
from training.sampling.golden import Judged


def unit(n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 8))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def judged_by(weights: dict[str, float], *, n: int = 3_000, noise: float = 0.0) -> Judged:
    """60 pictures, and a judge who weighs the features like that; noise: share of judgments turned round."""
    random = np.random.default_rng(7)
    features = {name: unit(60, seed) for seed, name in enumerate(golden.NAMES)}
    drawn = np.array([random.choice(60, 3, replace=False) for _ in range(n)])
    flat = Judged(features, drawn, np.arange(60), "a judge")
    says = golden.differences(flat, golden.NAMES) @ [weights[name] for name in golden.NAMES]
    turned = (says < 0) ^ (random.random(n) < noise)
    drawn[turned] = drawn[turned][:, [0, 2, 1]]
    return Judged(features, drawn, np.arange(60), "a judge")


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_judge_s_weights_are_found_again_and_what_was_held_out_agrees_more(noise: float) -> None:
    weights = {"colour": 0.1, "texture": 0.0, "semantic": 0.9}
    report = golden.fit(judged_by(weights, noise=noise))
    for name, weight in weights.items():
        assert report["weights"][name] == pytest.approx(weight, abs=0.06)
    assert sum(report["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert report["after"]["value"] == pytest.approx(1 - noise, abs=0.05)
    assert report["difference"]["value"] == pytest.approx(
        report["after"]["value"] - report["before"]["value"], abs=1e-3
    )
    assert report["difference"]["low"] > 0.1


def test_before_and_after_are_counted_on_anchors_that_taught_nothing() -> None:
    judged = judged_by({"colour": 1.0, "texture": 0.0, "semantic": 0.0})
    report = golden.fit(judged, seed=3)
    order = np.random.default_rng(3).permutation(60)
    held = [three for three in judged.triplets.tolist() if three[0] in set(order[30:].tolist())]
    assert (report["taught"], report["held_out"]) == (len(judged.triplets) - len(held), len(held))
    spread = {}
    for name, rows in judged.features.items():
        cosines = [float(rows[a] @ rows[other]) for a, p, n in judged.triplets.tolist() for other in (p, n)]
        spread[name] = np.std(cosines)
    right = 0.0
    for anchor, closer, farther in held:
        ahead = sum(
            weight * float(judged.features[name][anchor] @ (judged.features[name][closer] - judged.features[name][farther]))
            / spread[name] for name, weight in relevance.WEIGHTS.items()
        )  # fmt: skip
        right += ahead > 0
    assert report["before"]["value"] == pytest.approx(right / len(held), abs=1e-4)


def test_too_few_judgments_and_judgments_turned_round_are_refused() -> None:
    judged = judged_by({"colour": 1.0, "texture": 0.0, "semantic": 0.0}, n=30)
    with pytest.raises(UsageError, match="at least 20 are needed there and 20 held out"):
        golden.fit(judged)
    one = {"colour": judged.features["colour"]}
    turned = Judged(
        one, judged_by({"colour": 1.0, "texture": 0, "semantic": 0}).triplets[:, [0, 2, 1]], np.arange(60), ""
    )
    with pytest.raises(UsageError, match="check that closer comes first"):
        golden.fit(turned)


@pytest.fixture
def striped(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "stripes", labels=LABELS[:4], each=20), name="striped", spec="raw_pixels:side=8")[0]


def test_likes_and_dislikes_of_a_gallery_teach(striped: Gallery, said: Said, tmp_path: Path) -> None:
    """Somebody who likes what has the colours of the query; the gallery's own encoder is the semantic part."""
    table = striped.table()
    ids, labels = table["id"].to_numpy(), table["label"].to_numpy()
    random = np.random.default_rng(0)
    for anchor in random.permutation(len(ids))[:30]:
        near = random.choice(np.flatnonzero((labels == labels[anchor]) & (ids != ids[anchor])), 2, replace=False)
        far = random.choice(np.flatnonzero(labels != labels[anchor]), 2, replace=False)
        feedback.keep(striped, ids=[ids[anchor]], like=list(ids[near]), unlike=list(ids[far]))
    code, out, err = said("fit-golden", tmp_path / "mine.json", "--gallery", striped.name, "--progress", "none")
    assert code == 0, err
    assert "learned from" in out
    report = json.loads((tmp_path / "mine.json").read_text())
    assert report["judges"] == f"gallery {striped.name}"
    assert report["taught"] + report["held_out"] == 120
    assert report["after"]["value"] > 0.9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say who judged: one of --gallery NAME, --triplets FILE, --graded catalogue"),
        (("--gallery", "a", "--graded", "catalogue"), "say who judged"),
        (("--gallery", "nothing"), "nothing"),
        (("--triplets", "gone.csv"), "cannot read gone.csv"),
    ],
)
def test_what_cannot_teach_is_said_in_a_sentence(home: Path, said: Said, words: tuple[str, ...], says: str) -> None:
    code, out, err = said("fit-golden", "x.json", "--encoder", "raw_pixels:side=4", *words)
    assert (code != 0, out) == (True, "")
    assert says in err
    assert "\n" not in err
    assert not Path("x.json").exists()


def test_people_s_triplets_teach(tmp_path: Path, said: Said) -> None:
    root = photos(tmp_path / "pictures", labels=LABELS[:3], each=12)
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    random, lines = np.random.default_rng(0), ["query,positive,negative"]
    for _ in range(200):
        query, positive, negative = random.choice(len(names), 3, replace=False)
        while not names[query][:3] == names[positive][:3] != names[negative][:3]:
            query, positive, negative = random.choice(len(names), 3, replace=False)
        lines.append(",".join(names[i] for i in (query, positive, negative)))
    (tmp_path / "said.csv").write_text("\n".join(lines))
    words = ("--triplets", tmp_path / "said.csv", "--pictures", root, "--encoder", "raw_pixels:side=4", "--json")
    code, out, err = said("fit-golden", tmp_path / "w.json", *words, "--progress", "none")
    assert code == 0, err
    assert json.loads(out)["after"]["value"] >= json.loads(out)["before"]["value"] - 0.02


def test_a_run_draws_by_the_weights_that_it_was_given_and_keeps_what_was_measured_of_them(
    data: Prepared, home: Path, said: Said, tmp_path: Path
) -> None:
    file = tmp_path / "w.json"
    file.write_text(json.dumps(golden.fit(judged_by({"colour": 0.7, "texture": 0.0, "semantic": 0.3}))))
    short = ("--data", data.folder, "--epochs", "0.1", "--batch-size", "24", "--grid", "0", "--progress", "none")
    assert said("train", *short, "--golden", file, "--name", "learned")[0] == 0
    about = runs.open_run("learned", Settings()).about()
    assert about["relevance"]["weights"]["colour"] == pytest.approx(0.7, abs=0.06)
    assert about["relevance"]["weights"]["texture"] == 0
    assert about["golden"]["difference"]["value"] > 0
    assert about["recipe"]["golden"].startswith("colour=0.")
    assert said("train", *short, "--golden", "semantic=1", "--name", "given")[0] == 0
    assert runs.open_run("given", Settings()).about()["relevance"]["weights"] == {
        "colour": 0,
        "texture": 0,
        "semantic": 1,
    }
    for text, says in (
        ("colour=2", "golden weights 'colour=2' cannot be read"),
        ("colour=0", "golden weights 'colour=0' say what counts for nothing"),
        ("gone.json", "cannot read the weights of gone.json"),
    ):
        code, _, err = said("train", *short, "--golden", text, "--name", "bad")
        assert code == 2
        assert says in err
    code, _, err = said("train", *short, "--golden", "colour=1", "--loss", "siam", "--name", "bad")
    assert "siam has no golden; its options are square_margin, same_share" in err
