"""Pairs that people have judged, from a file and to one: a table with a line a pair, or LFW's pairs.txt.

A table names two pictures and says whether they show the same; what a cell may be called and how pictures are named is in
docs/verification.md. LFW's begins with how many folds and pairs there are; `NAME 1 4` are NAME_0001 and NAME_0004.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import readings
from pipeline.errors import UsageError, display_name, listed
from pipeline.files import atomic
from pipeline.files.tables import plain_name, read_sheet
from pipeline.files.texts import head_of
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.naming import Names

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FIRST = ("first", "a", "path1", "image1", "img1", "file1", "id1", "picture1", "left", "query", "first_id", "first_path")
SECOND = (
    "second",
    "b",
    "path2",
    "image2",
    "img2",
    "file2",
    "id2",
    "picture2",
    "right",
    "other",
    "second_id",
    "second_path",
)
SAME = ("same", "is_same", "issame", "match", "is_match", "label", "target", "y", "is_duplicate", "genuine")
FOLD = ("fold", "split", "half")
_YES = {"same", "match", "matched", "positive", "genuine"}
_NO = {"different", "not same", "mismatch", "mismatched", "negative", "impostor", "imposter", "-1"}
_LFW_HEAD = re.compile(r"\d+([\t ]+\d+)?")
_LFW = re.compile(r"(?P<who>\S+)[\t ]+(?P<a>\d+)[\t ]+(?:(?P<other>\S+)[\t ]+)?(?P<b>\d+)")
_FEW = 3  # examples in a sentence
_MOST_TOGETHER = 0.7  # of the pairs: so many in one half would leave too few for the other


@dataclass
class PairList:
    """pairs: first and second (ids, first the lower one), same, and half: choose or measure. notes: sentences about what was left out, and why."""

    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read(file: Path, gallery: Gallery, *, halves: tuple[str, str], seed: int) -> PairList:
    """Pairs of the gallery's pictures, each once.

    halves: what the two are called. A column fold, split or half, or LFW's folds, say which pair is in which; otherwise no
    picture is in both, where that can be. UsageError for a file that cannot be read, names no pictures of the gallery,
    or says of one pair both.
    """
    import pandas as pd

    if not file.is_file():
        raise UsageError(f"there is no file {file}; name a table with the columns first, second and same")
    first_line, _, _ = head_of(file, 200).lstrip("\ufeff").partition("\n")
    lines = _of_lfw(file) if _LFW_HEAD.fullmatch(first_line.strip()) else _of_table(file)
    names, notes = Names(gallery), list[str]()
    missing, alone, said = list[str](), 0, dict[tuple[str, str], tuple[bool, str, int]]()
    for number, one, other, same, fold in lines:
        found = [names.find(cell)[0] for cell in (one, other)]
        if not all(found):
            missing.append(next(cell for cell, picture in zip((one, other), found, strict=True) if not picture))
            continue
        if found[0] == found[1]:
            alone += 1
            continue
        pair = min(found), max(found)
        if pair in said and said[pair][0] != same:
            raise UsageError(
                f"{file.name} says of one pair both same and different, in lines {said[pair][2]} and {number}; keep one of them"
            )
        said.setdefault(pair, (same, fold, number))
    if missing:
        few = listed([display_name(one) for one in dict.fromkeys(missing)][:_FEW])
        if not said:
            raise UsageError(f"{file.name} names no two pictures of gallery {gallery.name}; it names {few}")
        notes.append(
            f"left out: {_counted(len(missing))} with names that the gallery does not have, or has several times, such as {few}"
        )
    if alone:
        notes.append(f"left out: {_counted(alone)} of a picture with itself")
    if not said:
        raise UsageError(f"{file.name} holds no pairs")
    pairs = pd.DataFrame(list(said), columns=["first", "second"])
    pairs["same"] = [same for same, _, _ in said.values()]
    folds = [fold for _, fold, _ in said.values()]
    if any(folds):
        where: Sequence[bool] | np.ndarray = _by_fold(folds, halves)
    else:
        where, shared = _apart(pairs, seed)
        if shared:
            notes.append("the two halves share pictures, because nearly all pairs hang together")
    pairs["half"] = [halves[int(second)] for second in where]
    return PairList(pairs, notes)


def table(gallery: Gallery, pairs: pd.DataFrame) -> pd.DataFrame:
    """What `read` reads: first and second as paths (of a part its id), same as 1 or 0, half, and the score."""
    paths = Names(gallery).path_of
    return pairs[["first", "second", "same", "half", "score"]].assign(
        first=[paths.get(one, one) for one in pairs["first"]],
        second=[paths.get(one, one) for one in pairs["second"]],
        same=pairs["same"].astype(int),
        score=pairs["score"].astype(float).round(6),
    )


def write(file: Path, gallery: Gallery, pairs: pd.DataFrame) -> None:
    with atomic.replacing(file) as temporary:
        table(gallery, pairs).to_csv(temporary, index=False)


def _counted(n: int) -> str:
    return "1 pair" if n == 1 else f"{n:,} pairs"


def _of_table(file: Path) -> list[tuple[int, str, str, bool, str]]:
    """Line number, both names, same and fold of each line. UsageError."""
    if file.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise UsageError(f"{file.name} is a spreadsheet; save it as CSV")
    wanted = {"first": FIRST, "second": SECOND, "same": SAME, "fold": FOLD}
    sheet = read_sheet(file, known=lambda name: any(name in known for known in wanted.values()))
    plain = [plain_name(name) for name in sheet.header]
    columns = {what: next((plain.index(name) for name in known if name in plain), -1) for what, known in wanted.items()}
    if lacking := [what for what in ("first", "second", "same") if columns[what] < 0]:
        raise UsageError(
            f"{file.name} has no column {' or '.join(lacking)}; its columns are {listed(sheet.header)}; call the two pictures "
            "first and second, and say in same 1 or 0"
        )
    found = []
    for number, cells in sheet.rows:
        one, other, word, fold = (
            cells[at].strip() if 0 <= at < len(cells) else "" for at in (columns[what] for what in wanted)
        )
        plain_word = word.lower()
        same = True if plain_word in _YES else False if plain_word in _NO else readings.truth(word.removesuffix(".0"))
        if same is None:
            raise UsageError(f"{file.name} line {number}: same is {display_name(word)!r}; write 1 or 0, yes or no")
        found.append((number, one, other, same, fold))
    return found


def _of_lfw(file: Path) -> list[tuple[int, str, str, bool, str]]:
    """As `_of_table`; the fold is counted as the first line says. UsageError."""
    text = head_of(file, 64 << 20)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    head = [int(part) for part in lines[0][1].split()]
    folds, each = (head[0], head[1]) if len(head) == 2 else (1, head[0])
    found = []
    for at, (number, line) in enumerate(lines[1:]):
        match = _LFW.fullmatch(line)
        if match is None:
            raise UsageError(f"{file.name} line {number} is not NAME 1 4 or NAME 1 OTHER 3, as LFW's pairs are written")
        who, other = match["who"], match["other"] or match["who"]
        first, second = (f"{one}/{one}_{int(count):04d}" for one, count in ((who, match["a"]), (other, match["b"])))
        fold = f"{at // (2 * each):06d}" if folds > 1 else ""
        found.append((number, first, second, match["other"] is None, fold))
    if len(found) != 2 * folds * each:
        raise UsageError(
            f"{file.name} holds {_counted(len(found))}, and its first line says {2 * folds * each:,}; get it again"
        )
    return found


def _by_fold(folds: list[str], halves: tuple[str, str]) -> list[bool]:
    """Whether each is in the second half: by the halves' names, else the later half of the folds."""
    known = sorted(set(folds), key=lambda fold: (len(fold), fold))
    if set(known) <= set(halves):
        return [fold == halves[1] for fold in folds]
    later = set(known[(len(known) + 1) // 2 :])
    return [fold in later for fold in folds]


def _apart(pairs: pd.DataFrame, seed: int) -> tuple[np.ndarray, bool]:
    """Whether each pair is in the second half, and whether the halves share pictures.

    Pairs that hang together by a picture stay together, unless most of all would be in one half.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.unique(pairs[["first", "second"]].to_numpy(str), return_inverse=True)[1].reshape(-1, 2)
    n = int(ends.max()) + 1
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(n, n))
    group = connected_components(graph, directed=False)[1][ends[:, 0]]
    sizes = np.bincount(group)
    random = np.random.default_rng(seed)
    if sizes.max() > _MOST_TOGETHER * len(pairs):
        return random.permutation(len(pairs)) >= len(pairs) / 2, True
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # the largest first, each to the half that has fewer
    second, held = np.zeros(len(sizes), bool), [0, 0]
    for one in order:
        second[one] = held[1] < held[0]
        held[int(second[one])] += sizes[one]
    return second[group], False
