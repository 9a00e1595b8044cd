"""The end of an ingest: what was seen is compared with what the gallery holds, and the gallery follows its files."""

from __future__ import annotations

from typing import Any

from pipeline.gallery import judgments, ledgers, parts
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import DatasetFiles, Root, dataset_roots, place_of
from pipeline.ingest.add_facts import BROUGHT
from pipeline.ingest.follow import FIELDS, Changes, Known, Seen, settle
from pipeline.records import Dataset
from pipeline.schema import Row, whole_of

KEPT = ("parent", "box", *FIELDS)


def dataset_number(gallery: Gallery, dataset: Dataset, spec: str) -> str:
    """The number by which rows say that they are of this dataset's root: the first in the manifest with that root."""
    specs, folders = gallery.manifest()["datasets"], dataset_roots(gallery)
    ours = place_of(dataset.root)
    for number, root in enumerate(folders):
        if root is not None and place_of(root) == ours:
            return str(number)
    return str(specs.index(spec)) if spec in specs else str(len(specs)) if spec else ""


class Ledgers:
    """What a gallery holds beside its rows' embeddings, as an ingest finds it."""

    def __init__(self, gallery: Gallery, fingerprint8: str, *, datasets: int) -> None:
        """datasets: how many the gallery had before this run."""
        self.gallery = gallery
        folder = gallery.folder(fingerprint8) if fingerprint8 else gallery.root / "embeddings" / "none"
        table = parts.read_table(folder)
        values = zip(*(table[name].tolist() for name in KEPT), strict=True)
        self.rows: dict[str, dict[str, Any]] = {
            picture: dict(zip(KEPT, row, strict=True))
            for picture, row in zip(table["id"].tolist(), values, strict=True)
        }
        self.removals = judgments.removals(gallery.judgments_file)
        self._merged = [(row[0], row[1], row[2], row[3]) for row in ledgers.read(gallery.root / ledgers.MERGED)]
        self._gone = {row[0] for row in ledgers.read(gallery.root / ledgers.GONE)}
        file = gallery.root / ledgers.OWNERS
        if file.exists():
            self._owners = {row[0]: row[1] for row in ledgers.read(file)}
        else:  # of an older Semblance; with two datasets nobody knows whose a row is
            self._owners = dict.fromkeys(self.rows, "0") if datasets == 1 else {}

    def add(self, row: Row) -> None:
        """A row that was just encoded."""
        self.rows[row.id] = {name: getattr(row, name) for name in KEPT}

    def settled(self, seen: Seen, root: Root, added: set[str]) -> Changes:
        """The changes, worked out and not made. added: rows of this run, which `rows` holds by now."""
        roots = dataset_roots(self.gallery)
        if seen.dataset == str(len(roots)):  # a dry run of a dataset that is new here
            roots.append(root)
        files = DatasetFiles(roots)
        for picture, record in seen.records:
            row = self.rows.get(picture)
            files.note(seen.dataset, record.path, (row and whole_of(row)) or picture)
        brought = frozenset(self.gallery.manifest().get(BROUGHT, []))
        owners = self._owners | dict.fromkeys(added, seen.dataset)
        return settle(Known(self.rows, self._merged, owners, self._gone, self.removals, added, brought), seen, files)

    def keep(self, changes: Changes) -> None:
        """Make the changes; a kill on the way is mended by the next ingest, which finds what is left to do."""
        gallery = self.gallery
        if changes.replaced:
            judgments.add(gallery.judgments_file, "removed", changes.replaced, judgments.REPLACED)
        if changes.back:
            judgments.add(gallery.judgments_file, "removed", changes.back, judgments.CAME_BACK)
        if changes.rows:
            gallery.change_rows(changes.rows)
        paths = {picture: values["path"] for picture, values in changes.rows.items() if "path" in values}
        gone = [(picture, paths.get(picture, self.rows[picture]["path"])) for picture in sorted(changes.gone)]
        ledgers.write(gallery.root / ledgers.MERGED, changes.merged)
        ledgers.write(gallery.root / ledgers.OWNERS, list(changes.owners.items()))
        ledgers.write(gallery.root / ledgers.GONE, gone)
        sizes = ledgers.sizes(gallery.root)  # other than noted also where a kill came between a list and the manifest
        if changes.rows or changes.replaced or changes.back or gallery.manifest().get("sizes") != sizes:
            gallery.update()
