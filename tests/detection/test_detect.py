"""A detector over a folder: what it finds is what torchvision finds, in pixels of the picture; a killed run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import Site, serving
from tiny_gallery import draw, photos, run
from torchvision import models

from pipeline import plugins, records
from pipeline.annotations import annotations, masks
from pipeline.detection.detect import detect_pictures
from pipeline.errors import SemblanceError, UsageError
from pipeline.images import opening
from pipeline.networks import detection
from pipeline.records import Detected

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = "torchvision:arch=fasterrcnn_mobilenet_v3_large_320_fpn,weights=none,score=0,side=64"
MASKS = "torchvision:weights=none,score=0,side=48"


@pytest.fixture(scope="module")
def masking():
    return plugins.build("detectors", MASKS, device="cpu")


@pytest.fixture(scope="module")
def boxing():
    return plugins.build("detectors", TINY, device="cpu")


def opened(tmp_path: Path, size: tuple[int, int] = (130, 90)) -> records.Picture:
    return opening.open_image(draw(tmp_path / "a.png", 3, size=size).read_bytes(), full=True)


def test_boxes_lie_inside_and_masks_are_of_the_pictures_size(masking, tmp_path: Path) -> None:
    picture = opened(tmp_path)
    detections = masking.detect(picture)
    assert len(detections) >= 5
    scores = [one.score for one in detections]
    assert scores == sorted(scores, reverse=True)
    for one in detections:
        x, y, width, height = one.box
        assert -0.01 <= x < x + width <= 130.01
        assert -0.01 <= y < y + height <= 90.01
        pixels = masks.decode(one.mask, width=130, height=90)
        rows, columns = np.nonzero(pixels)
        if len(rows):
            assert columns.min() >= x - 3  # a pixel of what the network sees is three of the picture
            assert columns.max() <= x + width + 3
            assert rows.min() >= y - 3
            assert rows.max() <= y + height + 3


def test_the_answer_is_torchvisions_own(boxing, tmp_path: Path) -> None:
    """Given the whole picture, which torchvision then shrinks itself."""
    picture = opened(tmp_path, (300, 200))
    options = {"box_score_thresh": 0, "min_size": 64, "max_size": 106}
    network = detection.build("fasterrcnn_mobilenet_v3_large_320_fpn", weights="none", seed=0, **options)
    with torch.inference_mode():
        [expected] = network([torch.from_numpy(np.array(picture.image)).permute(2, 0, 1) / 255])
    detections = boxing.detect(picture)
    assert len(detections) == len(expected["boxes"])
    for one, box, score in zip(detections[:20], expected["boxes"].tolist(), expected["scores"].tolist(), strict=False):
        assert one.score == pytest.approx(score, abs=1e-4)
        x, y, width, height = one.box
        assert (x, y, x + width, y + height) == pytest.approx(box, abs=1.5)


def test_the_same_picture_has_the_same_answer_and_another_build_too(boxing, tmp_path: Path) -> None:
    picture = opened(tmp_path)
    again = plugins.build("detectors", TINY, device="cpu")
    assert boxing.detect(picture) == boxing.detect(picture) == again.detect(picture)
    assert again.fingerprint == boxing.fingerprint
    assert plugins.build("detectors", f"{TINY},seed=1", device="cpu").fingerprint != boxing.fingerprint


class Corner:
    """A detector that finds the upper left quarter of everything."""

    fingerprint = "0" * 64

    def __init__(self, stop_after: int = 10**9) -> None:
        self.seen, self.stop_after = 0, stop_after

    def detect(self, picture: records.Picture) -> list[Detected]:
        self.seen += 1
        if self.seen > self.stop_after:
            raise KeyboardInterrupt
        mask = np.zeros((picture.height, picture.width), bool)
        mask[: picture.height // 2, : picture.width // 2] = True
        box = (0.0, 0.0, picture.width / 2, picture.height / 2)
        return [Detected("cup", 0.75, box, masks.encode(mask))]


def test_predictions_can_be_read_again(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    (folder / "bad.png").write_bytes(b"nothing")
    report = detect_pictures(plugins.build("datasets", f"folder:root={folder}"), Corner(), tmp_path / "found.json")
    assert (report.pictures, report.boxes) == (5, 4)
    assert [path for path, _ in report.rejected] == ["bad.png"]
    result = annotations.read(tmp_path / "found.json", pictures=folder)
    assert result.faults == []
    assert result.predicted
    assert len(result.pictures) == 4
    assert result.boxes[["x", "y", "width", "height", "score"]].to_numpy().tolist() == [[0, 0, 20, 16, 0.75]] * 4
    assert masks.decode(result.boxes["mask"][0], width=40, height=32)[:16, :20].all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "photos"]


def test_what_an_interrupted_run_did_is_not_done_again(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"folder:root={photos(tmp_path / 'photos', 6)}")
    with pytest.raises(KeyboardInterrupt):
        detect_pictures(dataset, Corner(stop_after=4), tmp_path / "found.json")
    partial = tmp_path / "found.json.partial"
    partial.write_bytes(partial.read_bytes()[:-20])  # a power cut tears the last line
    second = Corner()
    report = detect_pictures(dataset, second, tmp_path / "found.json")
    assert (second.seen, report.resumed) == (3, 3)
    once = detect_pictures(dataset, Corner(), tmp_path / "once.json")
    assert once.boxes == report.boxes
    assert (tmp_path / "once.json").read_bytes() == (tmp_path / "found.json").read_bytes()


def test_another_detector_begins_anew(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"folder:root={photos(tmp_path / 'photos', 3)}")
    with pytest.raises(KeyboardInterrupt):
        detect_pictures(dataset, Corner(stop_after=2), tmp_path / "found.json")
    other = Corner()
    other.fingerprint = "1" * 64
    assert detect_pictures(dataset, other, tmp_path / "found.json").resumed == 0
    assert other.seen == 3


def test_a_file_is_looked_at_once_where_a_dataset_names_its_parts(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"tiles:root={photos(tmp_path / 'photos', 2)},grid=2")
    counted = Corner()
    assert detect_pictures(dataset, counted, tmp_path / "found.json").pictures == counted.seen == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("arch=maskrcnn_resnet51_fpn", "did you mean maskrcnn_resnet50_fpn"),
        ("weights=nowhere.pth", "weights is default, none, COCO_V1, DEFAULT, or a file"),
        ("weights=none,score=1", "from 0 to below 1"),
        ("weights=none,side=9", "from 32 to 2048"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plugins.build("detectors", f"torchvision:{options}")


def own_weights(tmp_path: Path, n: int) -> Path:
    """Of somebody's own training on n labels."""
    from safetensors.torch import save_file

    arch = "fasterrcnn_mobilenet_v3_large_320_fpn"
    network = models.get_model(arch, weights=None, weights_backbone=None, num_classes=n + 1)
    save_file(network.state_dict(), tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


def test_own_weights_need_own_labels(tmp_path: Path) -> None:
    spec = f"{TINY.replace('weights=none', f'weights={own_weights(tmp_path, 2)}')}"
    with pytest.raises(UsageError, match="have 2 labels and not COCO's; name them"):
        plugins.build("detectors", spec, device="cpu")
    (tmp_path / "labels.txt").write_text("cup\nbowl\n")
    made = plugins.build("detectors", f"{spec},labels={tmp_path / 'labels.txt'}", device="cpu")
    assert {one.label for one in made.detect(opened(tmp_path))} <= {"cup", "bowl"}
    (tmp_path / "labels.txt").write_text("cup\n")
    with pytest.raises(UsageError, match="has 1 labels and these weights 2"):
        plugins.build("detectors", f"{spec},labels={tmp_path / 'labels.txt'}", device="cpu")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = own_weights(tmp_path, 2)
    with pytest.raises(UsageError, match="not of torchvision's maskrcnn_resnet50_fpn"):
        plugins.build("detectors", f"torchvision:weights={file}", device="cpu")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="they lack roi_heads"):
        plugins.build("detectors", f"torchvision:weights={tmp_path / 'other.pth'}", device="cpu")


def test_a_file_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"roi_heads.box_predictor.cls_score.weight": Path("x")}))
    with pytest.raises(UsageError, match="nothing else is opened"):
        plugins.build("detectors", f"torchvision:weights={tmp_path / 'trap.pth'}", device="cpu")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Path]]:
    """Published weights of the small network, served from this machine; and where they will be kept."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("pipeline.files.downloads.time.sleep", lambda seconds: None)
    arch, buffer = "fasterrcnn_mobilenet_v3_large_320_fpn", io.BytesIO()
    torch.save(detection.build(arch, weights="none", seed=9).state_dict(), buffer)
    name = f"small-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    with serving(Site(files={f"/{name}": buffer.getvalue()})) as site:
        weights = models.get_model_weights(arch).DEFAULT
        monkeypatch.setattr(weights, "_value_", dataclasses.replace(weights.value, url=f"{site.address}/{name}"))
        yield site, tmp_path / "torch" / "hub" / "checkpoints" / name


def test_published_weights_are_downloaded_once_and_checked(published: tuple[Site, Path]) -> None:
    site, kept = published
    default = TINY.replace("weights=none,", "")
    expected = plugins.build("detectors", f"{TINY},seed=9", device="cpu").fingerprint
    for _ in range(2):
        assert plugins.build("detectors", default, device="cpu").fingerprint == expected
    assert len(site.asked) == 1
    kept.write_bytes(b"something else")
    with pytest.raises(SemblanceError, match="delete it, or give weights=PATH"):
        plugins.build("detectors", default, device="cpu")


def test_the_command_line_detects_and_says_how_many(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 2)
    ran = run("detect", folder, "--detector", TINY, "--out", tmp_path / "found.json", "--device", "cpu", "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["pictures"] == 2
    assert result["boxes"] == len(annotations.read(tmp_path / "found.json").boxes) > 0
    refused = run("detect", folder, "--detector", "nothing", "--out", tmp_path / "found.json")
    assert refused.returncode == 2
    assert "choose from torchvision" in refused.stderr
