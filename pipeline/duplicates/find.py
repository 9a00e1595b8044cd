"""Duplicates of a gallery in four tiers, the best copy of each group proposed; nothing is removed here.

identical: files with the same bytes, one record already. same: one picture re-encoded, resized, slightly cropped, turned
by EXIF, brighter or framed, each member itself laid over the kept one. variant: mirrored, turned by a quarter, without
its colours, or altered in places as by a watermark. lookalike: embeddings closer than almost any random pair's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.duplicates.groups import groups_by_pixels
from pipeline.errors import UsageError
from pipeline.gallery import judgments, ledgers
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import is_there, on_disk, roots
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

KIND = "duplicates"
TIERS = ("identical", "same", "variant", "lookalike")
REMOVABLE = "same"  # an identical file has no record of its own; variants and lookalikes are other pictures
PASS_RATE = 1e-4  # share of random pairs that the calibrated threshold lets through
MAX_RANDOM_PAIRS = 200_000  # random pairs for the threshold and the histograms


def find_duplicates(
    gallery: Gallery,
    *,
    tiers: Sequence[str] = TIERS,
    threshold: float | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The report: groups, leakage, label_conflicts, hamming, and what they rest on.

    threshold: the lowest score of a lookalike; None = calibrated, so that 1 random pair in 10,000 reaches it. Pairs that
    people judged `not_same` are never in one group, those judged `same` always are. seed: of the random pairs. UsageError
    for a tier or threshold that cannot be; GalleryError where nothing was ingested.
    """
    if unknown := sorted(set(tiers).difference(TIERS)):
        raise UsageError(f"unknown tier {unknown[0]!r}; choose from {', '.join(TIERS)}")
    if not tiers:
        raise UsageError(f"no tier given; choose from {', '.join(TIERS)}")
    if threshold is not None and not -1 <= threshold <= 1:
        raise UsageError(f"threshold is {threshold}; choose a score from -1 to 1, e.g. 0.9")
    entry = gallery.encoder()
    rows = gallery.rows()
    rows = rows.take((rows.table["box"] == "").to_numpy())  # regions repeat their picture
    report: dict[str, Any] = {
        "tiers": [tier for tier in TIERS if tier in tiers],
        "rows": len(rows),
        "encoder": entry["spec"],
        "fingerprint": entry["fingerprint"],
        "seed": seed,
        "threshold": None,  # of lookalikes
    }
    copies = _copies(gallery, rows.table)
    groups = [_identical(members) for members in copies.values()] if "identical" in tiers else []
    if set(tiers) - {"identical"}:
        by_pixels, facts = groups_by_pixels(
            gallery,
            rows,
            judged(gallery),
            threshold=threshold,
            rate=PASS_RATE,
            sample=MAX_RANDOM_PAIRS,
            seed=seed,
            progress=progress,
        )
        groups += [group for group in by_pixels if group["tier"] in tiers]
        report |= facts
    report["groups"] = groups
    return report | _across(groups, copies)


def judged(gallery: Gallery) -> dict[frozenset[str], bool]:
    """Pairs of ids that people judged: True same, False not the same. A later judgment replaces an earlier one."""
    verdicts: dict[frozenset[str], bool] = {}
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] not in ("same", "not_same"):
            continue
        ids = list(dict.fromkeys(judgment["ids"]))
        for number, first in enumerate(ids):
            for second in ids[number + 1 :]:
                if judgment["value"]:
                    verdicts[frozenset((first, second))] = judgment["kind"] == "same"
                else:  # taken back
                    verdicts.pop(frozenset((first, second)), None)
    return verdicts


def removable(gallery: Gallery, groups: Sequence[dict[str, Any]]) -> list[str]:
    """Ids that go when only the best copies stay: all but `keep` of the groups `same` that nobody judged otherwise."""
    removed, verdicts = gallery.removed(), judged(gallery)
    ids = []
    for group in groups:
        if group["tier"] == REMOVABLE and group["keep"] not in removed:
            others = [member["id"] for member in group["members"] if member["id"] != group["keep"]]
            ids += [picture for picture in others if verdicts.get(frozenset((picture, group["keep"]))) is not False]
    return [picture for picture in dict.fromkeys(ids) if picture not in removed]


def _copies(gallery: Gallery, table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """id to the files with its bytes, those that are there first, then the record's own; only where there are several."""
    further: dict[str, list[tuple[str, str, str]]] = {}
    for picture, path, label, split in ledgers.read(gallery.root / ledgers.MERGED):
        further.setdefault(picture, []).append((path, label, split))
    copies, folders = {}, roots(gallery)

    for row in table[table["id"].isin(list(further))].itertuples():
        files = [(row.path, row.label, row.split), *further[row.id]]
        files.sort(key=lambda file: not any(is_there(root, on_disk(file[0])) for root in folders))
        copies[row.id] = [
            {"id": row.id, "path": path, "label": label, "split": split, "score": 1.0}
            | {"width": row.width, "height": row.height}
            for path, label, split in files
        ]
    return copies


def _identical(members: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "tier": "identical",
        "keep": members[0]["id"],
        "keep_path": members[0]["path"],
        "reason": f"the same bytes in {len(members)} files; the gallery holds them once, as the first that it met",
        "members": members,
    }


def _across(groups: list[dict[str, Any]], copies: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Groups that reach over splits or labels; a member's identical files count with it."""
    crossing: dict[str, Any] = {"leakage": [], "label_conflicts": []}
    for number, group in enumerate(groups):
        files = [file for member in group["members"] for file in (member, *copies.get(member["id"], ()))]
        for listed, field in (("leakage", "split"), ("label_conflicts", "label")):
            if len(values := sorted({file[field] for file in files} - {""})) > 1:
                firsts = {value: next(file for file in files if file[field] == value) for value in values}
                paths, ids = ({value: file[name] for value, file in firsts.items()} for name in ("path", "id"))
                facts = {"group": number, "tier": group["tier"], f"{field}s": values, "paths": paths, "ids": ids}
                crossing[listed].append(facts)
    return crossing
