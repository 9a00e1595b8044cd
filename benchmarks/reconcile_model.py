"""The plain model that benchmarks/reconcile.py holds a gallery to: two small folders, and loops."""

from __future__ import annotations

from typing import Any


class Model:
    """What a gallery ought to hold, told in loops. disk: of each dataset path to [bytes' name, label, split]."""

    def __init__(self) -> None:
        self.disk: list[dict[str, list[Any]]] = [{}, {}]
        self.rows: dict[str, dict[str, Any]] = {}  # id to dataset, path, label, split
        self.merged: dict[str, list[tuple[str, str, str]]] = {}  # id to (path, label, split)
        self.removal: dict[str, Any] = {}  # id to True, "replaced", False or ""
        self.gone: set[str] = set()

    def has(self, dataset: int, path: str, picture: str) -> bool:
        return path in self.disk[dataset] and self.disk[dataset][path][0] == picture

    def ingest(self, dataset: int) -> None:
        files = {path: self.disk[dataset][path] for path in sorted(self.disk[dataset])}
        seen: dict[str, list[str]] = {}
        for path, (picture, _, _) in files.items():
            if picture != "broken":
                seen.setdefault(picture, []).append(path)
        for picture in seen:
            self.rows.setdefault(picture, {"dataset": None, "path": None, "label": "", "split": ""})
        for picture, row in self.rows.items():
            if picture in seen:
                mine = row["dataset"] in (None, dataset)
                if mine and row["path"] in seen[picture]:
                    self.put(picture, dataset, row["path"])
                elif mine or not self.has(row["dataset"], row["path"], picture):
                    self.put(picture, dataset, seen[picture][0])
                self.gone.discard(picture)
                if self.removal.get(picture) == "replaced":
                    self.removal[picture] = ""
            elif row["dataset"] == dataset:
                self.lost(picture, row, dataset)
        for picture, row in self.rows.items():
            own, entries = (row["dataset"], row["path"]), []
            taken = {own}
            for path in seen.get(picture, []):
                if (dataset, path) not in taken:
                    taken.add((dataset, path))
                    entries.append((path, files[path][1], files[path][2]))
            for entry in self.merged.get(picture, []):
                for other in (0, 1):
                    if (
                        self.known(other, dataset)
                        and self.has(other, entry[0], picture)
                        and (other, entry[0]) not in taken
                    ):
                        taken.add((other, entry[0]))
                        entries.append(entry)
                        break
            self.merged[picture] = sorted(entries)

    ingested: tuple[int, ...] = ()

    def known(self, other: int, now: int) -> bool:
        """Whether a gallery has heard of a dataset."""
        return other == now or other in self.ingested

    def put(self, picture: str, dataset: int, path: str) -> None:
        _, label, split = self.disk[dataset][path]
        self.rows[picture] = {"dataset": dataset, "path": path, "label": label, "split": split}

    def lost(self, picture: str, row: dict[str, Any], dataset: int) -> None:
        """A row of this dataset whose bytes are nowhere in it."""
        self.gone.discard(picture)
        for path, label, split in self.merged.get(picture, []):
            for other in (0, 1):
                if self.known(other, dataset) and self.has(other, path, picture):
                    row.update(dataset=other, path=path, label=label, split=split)
                    return
        removal = self.removal.get(picture)
        if removal:
            return
        there = self.disk[dataset].get(row["path"])
        if there and there[0] != "broken" and removal is not False:
            self.removal[picture] = "replaced"
        else:
            self.gone.add(picture)

    def state(self) -> dict[str, Any]:
        out = {picture for picture, value in self.removal.items() if value}
        rows = {picture: (row["path"], row["label"], row["split"]) for picture, row in self.rows.items()}
        merged = sorted((picture, *entry) for picture, entries in self.merged.items() for entry in entries)
        return {"rows": rows, "removed": out & rows.keys(), "merged": merged, "gone": self.gone - out}
