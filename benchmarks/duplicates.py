"""How many generated duplicates `pipeline duplicates` finds: 11 kinds of edit × 100 real photos among 500 others.

    python -m benchmarks.duplicates [--encoder deep_ranking] [--photos 100] [--others 500] [--home FOLDER] [--peers]

Beside them mirrored, turned, grey and watermarked copies, which are to be found as variants, and the pictures of
hard_negatives.py, of which none may be removable. --peers: imagededup's and fastdup's answers on the same files.

Prints recall and precision a kind and a tier. The kinds are made from photos of one half of clothing's files, by name;
the rules of pipeline/features/alignment.py were chosen on the other half (--half tuning).
A pair is right when both files come from one photo. Exit 1 when recall < 0.95, recall of variants < 0.9, precision < 0.998, or one
picture would be removed wrongly.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks import hard_negatives
from benchmarks.measuring import CLOTHING, machine, say, table, verdict

RECALL, VARIANTS, PRECISION = 0.95, 0.9, 0.998


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **{"quality": 90} | options if kind != "PNG" else options)
    return buffer.getvalue()


def resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize([max(8, round(side * share)) for side in image.size], Image.Resampling.LANCZOS)


def cropped(image: Image.Image) -> Image.Image:
    """5 % of the width and of the height gone, from a corner."""
    width, height = image.size
    return image.crop((round(0.05 * width), round(0.05 * height), width, height))


def turned_by_exif(image: Image.Image) -> bytes:
    """Stored lying on its side, with the mark that says so."""
    mark = Image.Exif()
    mark[0x0112] = 6  # to be turned 90° clockwise for display
    return encoded(image.transpose(Image.Transpose.ROTATE_90), exif=mark)


def bordered(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, border=round(0.03 * min(image.size)), fill="white")


def watermarked(image: Image.Image) -> Image.Image:
    """A pale text in the lower right corner."""
    veil = Image.new("RGBA", image.size)
    width, height = image.size
    size = max(9, height // 14)
    ImageDraw.Draw(veil).text((0.55 * width, height - 1.6 * size), "© SHOP.TEST", (255, 255, 255, 170), font_size=size)
    return Image.alpha_composite(image.convert("RGBA"), veil).convert("RGB")


EDITS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "jpeg_30": ("jpg", lambda image: encoded(image, quality=30)),
    "png": ("png", lambda image: encoded(image, "PNG")),
    "webp": ("webp", lambda image: encoded(image, "WEBP", quality=75)),
    "half_size": ("jpg", lambda image: encoded(resized(image, 0.5))),
    "quarter_size": ("jpg", lambda image: encoded(resized(image, 0.25))),
    "cropped_5": ("jpg", lambda image: encoded(cropped(image))),
    "exif_turned": ("jpg", turned_by_exif),
    "brighter": ("jpg", lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.2))),
    "contrast": ("jpg", lambda image: encoded(ImageEnhance.Contrast(image).enhance(0.75))),
    "border": ("jpg", lambda image: encoded(bordered(image))),
}
COPY = "copy"  # the eleventh: the bytes themselves
VARIANT_EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "turned_90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned_270": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "watermark": watermarked,  # a caption that changes what is shown looks like one, so it is not certainly the same
}


def photos_of(half: str) -> list[Path]:
    """Clothing's photos of one half, always in the same order; which half is drawn from the name."""
    tuning = half == "tuning"
    chosen = [
        file for file in CLOTHING.rglob("*.jpg") if (hashlib.sha256(file.name.encode()).digest()[0] % 2 == 1) == tuning
    ]
    return sorted(chosen, key=lambda file: hashlib.sha256(f"order {file.name}".encode()).digest())


def make(folder: Path, photos: list[Path], others: list[Path], unseen: list[Path]) -> dict[str, tuple[str, str]]:
    """Writes KIND/NAME below the folder; path to (name of the photo it shows, kind)."""
    written: dict[str, tuple[str, str]] = {}

    def write(kind: str, file: Path, ending: str, data: bytes) -> None:
        path = f"{kind}/{file.stem}.{ending}"
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        written[path] = (file.stem, kind)

    for file in (*photos, *others):
        write("original" if file in photos else "other", file, "jpg", file.read_bytes())
    for file in photos:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        for kind, (ending, edit) in EDITS.items():
            write(kind, file, ending, edit(image))
        write(COPY, file, "jpg", file.read_bytes())
        for kind, turn in VARIANT_EDITS.items():
            write(kind, file, "jpg", encoded(turn(image)))
    return written | hard_negatives.make(folder, unseen)


def scored(groups: list[dict], shown: dict[str, tuple[str, str]]) -> tuple[dict[str, float], set[tuple[str, str]]]:
    """Recall of each kind (an edit in one group with its original) and the pairs of paths that groups name wrongly."""
    together: dict[str, int] = {}
    wrong = set()
    for number, group in enumerate(groups):
        paths = [member["path"] for member in group["members"]]
        together.update(dict.fromkeys(paths, number))
        for position, one in enumerate(paths):
            wrong |= {(one, other) for other in paths[position + 1 :] if shown[one][0] != shown[other][0]}
    found: dict[str, list[bool]] = {}
    for path, (photo, kind) in shown.items():
        if kind not in ("original", "other", "negative"):
            original = together.get(f"original/{photo}.jpg", -1)
            found.setdefault(kind, []).append(original >= 0 and together.get(path) == original)
    return {kind: sum(hits) / len(hits) for kind, hits in found.items()}, wrong


def pair_count(groups: list[dict]) -> int:
    return sum(len(group["members"]) * (len(group["members"]) - 1) // 2 for group in groups)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="deep_ranking")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--others", type=int, default=500)
    parser.add_argument("--half", choices=("measuring", "tuning"), default="measuring")
    parser.add_argument("--home", type=Path, help="keep the gallery here, to look at it in the app")
    parser.add_argument("--peers", action="store_true", help="run imagededup and fastdup too, where they are installed")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duplicates-")))
        return measure(asked, asked.home or temporary)


def measure(asked: argparse.Namespace, home: Path) -> int:
    from pipeline import plugins
    from pipeline.duplicates.find import KIND, TIERS, find_duplicates, removable
    from pipeline.gallery import reports
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest
    from pipeline.progress import shown
    from pipeline.settings import Settings

    files = photos_of(asked.half)
    folder = home / "edited"
    shutil.rmtree(folder, ignore_errors=True)
    unseen = files[-hard_negatives.NEEDED :]  # what the negatives are made of
    rest = files[: -len(unseen)]
    photos, others = rest[: asked.photos], rest[asked.photos :][: asked.others]
    truth = make(folder, photos, others, unseen)
    gallery = create_gallery("edited", Settings(home=home))
    spec = f"folder:root={folder}"
    say(f"{len(truth):,} files")
    with shown("auto") as show:
        ingest.ingest(
            gallery, plugins.build("datasets", spec), plugins.build("encoders", asked.encoder, device="cpu"),
            spec=asked.encoder, store=None, dataset_spec=spec, progress=show,
        )  # fmt: skip
        begun = time.perf_counter()
        report = find_duplicates(gallery, progress=show)
        seconds = time.perf_counter() - begun
    reports.write(gallery, KIND, report)
    tiers = {tier: [group for group in report["groups"] if group["tier"] == tier] for tier in TIERS}
    copies = _with_copies(tiers["same"], tiers["identical"])
    recalls, wrong = scored(copies, truth)
    counted = [*EDITS, COPY]
    variants, wrong_variants = scored(_with_same(tiers["variant"], copies), truth)
    assert not scored(tiers["identical"], truth)[1], "equal bytes of two photos"
    print(
        f"{machine()}; {asked.encoder}; {len(truth):,} files, {report['rows']:,} records, {asked.photos} photos × {len(counted) + len(VARIANT_EDITS)} edits, "
        f"{len(others):,} others, half {asked.half!r}, seed {report['seed']}; {seconds:.1f} s without ingest\n"
    )
    found = [[kind, f"{recalls[kind]:.3f}", "identical + same"] for kind in (*counted, "watermark")]
    found += [[kind, f"{variants[kind]:.3f}", "variant"] for kind in VARIANT_EDITS]
    print(table(["edit", "recall", "tier"], found) + "\n")
    for one, other in sorted(wrong | wrong_variants):
        print(f"wrong: {one} with {other}")
    paths = {member["id"]: member["path"] for group in tiers["same"] for member in group["members"]}
    bad = sum(
        truth[paths[member["id"]]][0] != truth[group["keep_path"]][0]
        for group in tiers["same"]
        for member in group["members"]
    )
    bad += sum(truth[paths[picture]][1] == "negative" for picture in removable(gallery, report["groups"]))
    recall = sum(recalls[kind] for kind in counted) / len(counted)
    variant = sum(variants[kind] for kind in VARIANT_EDITS) / len(VARIANT_EDITS)
    passed = [
        verdict("recall of identical + same", recall, RECALL, at_least=True),
        verdict("recall of variants", variant, VARIANTS, at_least=True),
        verdict("precision of identical + same", 1 - len(wrong) / pair_count(copies), PRECISION, at_least=True),
        verdict("pictures that would be removed wrongly", bad, 0),
    ]
    if asked.peers:
        peers(folder, truth)
    return 0 if all(passed) else 1


def peers(folder: Path, truth: dict[str, tuple[str, str]]) -> None:
    """imagededup's PHash and fastdup on the same files: recall a kind, mean over all kinds, precision of all pairs."""
    paths = sorted(truth)
    originals = {photo: path for path, (photo, kind) in truth.items() if kind == "original"}
    kinds = [*EDITS, COPY, *VARIANT_EDITS]

    def told(name: str, pairs: set[tuple[str, str]], seconds: float) -> None:
        right = sum(truth[one][0] == truth[other][0] for one, other in pairs)
        each = {
            kind: [
                tuple(sorted((originals[photo], path))) in pairs
                for path, (photo, made) in truth.items()
                if made == kind
            ]
            for kind in kinds
        }
        recalls = {kind: sum(hits) / len(hits) for kind, hits in each.items()}
        say(", ".join(f"{kind} {recall:.2f}" for kind, recall in recalls.items()))
        print(
            f"{name}: mean recall {sum(recalls.values()) / len(recalls):.3f}, precision {right / max(1, len(pairs)):.4f} of "
            f"{len(pairs):,} pairs, {seconds:.1f} s"
        )

    with contextlib.suppress(ImportError):
        from imagededup.methods import PHash

        begun, method = time.perf_counter(), PHash(verbose=False)
        hashes = {path: method.encode_image(image_file=str(folder / path)) for path in paths}
        hashes = {path: value for path, value in hashes.items() if value}
        near = method.find_duplicates(encoding_map=hashes, max_distance_threshold=10)
        pairs = {tuple(sorted((one, other))) for one, others in near.items() for other in others}
        told("imagededup PHash ≤ 10", pairs, time.perf_counter() - begun)
    with contextlib.suppress(ImportError):
        import fastdup

        begun = time.perf_counter()
        work = folder.parent / "fastdup"
        fastdup.run(input_dir=str(folder), work_dir=str(work), threshold=0.9, nearest_neighbors_k=12)
        import pandas as pd

        similar = pd.read_csv(work / "similarity.csv")
        one, other = (similar[side].map(lambda name: str(name).split("edited/")[-1]) for side in ("from", "to"))
        pairs = {tuple(sorted(pair)) for pair in zip(one, other, strict=True) if pair[0] != pair[1]}
        told("fastdup ≥ 0.90", pairs, time.perf_counter() - begun)


def _with_same(variants: list[dict], copies: list[dict]) -> list[dict]:
    """Each variant's group with all copies of its members."""
    of = {member["path"]: group["members"] for group in copies for member in group["members"]}
    return [
        {"members": [file for member in group["members"] for file in of.get(member["path"], [member])]}
        for group in variants
    ]


def _with_copies(same: list[dict], identical: list[dict]) -> list[dict]:
    """Groups of files: a member's identical files join it, and groups of identical files alone stand for themselves."""
    files = {group["keep"]: group["members"] for group in identical}
    joined = []
    for group in same:
        members = [file for member in group["members"] for file in files.pop(member["id"], [member])]
        joined.append({"members": members})
    return joined + [{"members": members} for members in files.values()]


if __name__ == "__main__":
    raise SystemExit(main())
