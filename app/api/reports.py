"""What was found in a whole gallery: duplicates, clusters, label errors, outliers. A job finds them, these read them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from app.api.operations import Call, operation
from app.api.problems import Refused
from app.api.types import Page, Paging
from app.server import exposure, resources
from pipeline.analysis import clustering, label_errors, outliers
from pipeline.duplicates import find as duplicates
from pipeline.errors import GalleryError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery


class Report(Page):
    report: str = Field(description="its name; pages of one report stay the same when a newer one is made")
    made: str
    generation: int = Field(description="of the gallery when it was made")
    encoder: str = ""
    rows: int = Field(0, description="pictures that were looked at")
    seed: int | None = None


class Member(BaseModel):
    id: str
    path: str
    label: str = ""
    split: str = ""
    score: float = Field(description="cosine to the picture that is kept")
    width: int | None = None
    height: int | None = None
    agreement: float | None = Field(None, description="how well its details agree with the kept one's, laid over it")
    kind: str | None = None


class DuplicateGroup(BaseModel):
    tier: str = Field(description="identical (bytes), same (picture), variant, lookalike")
    keep: str = Field(description="the id that is proposed to be kept")
    reason: str = ""
    members: list[Member]
    removable: list[str] = Field(description="ids that go when only the best copy stays; give them to pictures/remove")


class Duplicates(Report):
    threshold: float | None = Field(None, description="the lowest score of a lookalike")
    groups: list[DuplicateGroup]


class Cluster(BaseModel):
    cluster: int
    name: str
    named_by: str = Field(description="label, metadata, kinds or number")
    size: int
    share: float
    label: str
    purity: float | None
    silhouette: float | None
    medoid: str = Field(description="id of the picture in its middle")
    typical: list[str]


class Clusters(Report):
    method: str
    in_none: int
    purity: float | None
    silhouette: float | None
    notes: list[str]
    clusters: list[Cluster]


class Doubt(BaseModel):
    rank: int
    id: str
    path: str
    label: str
    proposed: str
    score: float = Field(description="how near its own label is")
    proposed_score: float
    likely: bool = Field(description="whether it is more likely wrong than right")
    hits: list[str] = Field(description="ids of the nearest others")


class LabelErrors(Report):
    doubts: list[Doubt]


class Outlier(BaseModel):
    rank: int
    id: str
    path: str
    label: str
    score: float = Field(description="mean score to its nearest others")
    unusual: bool
    hits: list[str]


class Outliers(Report):
    outliers: list[Outlier]


@operation("GET", "/galleries/{gallery}/duplicates", scope="read", tag="reports", query=Paging, answer=Duplicates)
def get_duplicates(call: Call) -> Duplicates:
    """Pictures that the gallery holds more than once, in groups with the best copy."""
    gallery = call.gallery
    name, report, start = _read(gallery, duplicates.KIND, call.query, "duplicates")
    groups = report["groups"]
    shown = [
        DuplicateGroup(
            **{key: group[key] for key in ("tier", "keep", "reason") if key in group},
            members=[_only(Member, member) for member in group["members"]],
            removable=duplicates.removable(gallery, [group]),
        )
        for group in groups[start : start + call.query.limit]
    ]
    return Duplicates(
        **_about(name, report, start, len(shown), len(groups)), threshold=report["threshold"], groups=shown
    )


@operation("GET", "/galleries/{gallery}/clusters", scope="read", tag="reports", query=Paging, answer=Clusters)
def get_clusters(call: Call) -> Clusters:
    """Groups of pictures that look alike, the largest first. `pictures?cluster=N` lists those of one."""
    name, report, start = _read(call.gallery, clustering.KIND, call.query, "cluster")
    shown = report["clusters"][start : start + call.query.limit]
    return Clusters(
        **_about(name, report, start, len(shown), len(report["clusters"])),
        **{key: report[key] for key in ("method", "in_none", "purity", "silhouette", "notes")},
        clusters=[_only(Cluster, one) for one in shown],
    )


@operation("GET", "/galleries/{gallery}/label-errors", scope="read", tag="reports", query=Paging, answer=LabelErrors)
def get_label_errors(call: Call) -> LabelErrors:
    """Pictures whose neighbours have another label, the most doubtful first."""
    about, rows = _rows(call, label_errors.KIND, "label-errors")
    return LabelErrors(**about, doubts=[_only(Doubt, row) for row in rows])


@operation("GET", "/galleries/{gallery}/outliers", scope="read", tag="reports", query=Paging, answer=Outliers)
def get_outliers(call: Call) -> Outliers:
    """Pictures that have nothing near them, the farthest first."""
    about, rows = _rows(call, outliers.KIND, "outliers")
    return Outliers(**about, outliers=[_only(Outlier, row) for row in rows])


def members(gallery: Gallery, cluster: int) -> set[str]:
    """Ids of a cluster of the newest report."""
    name, report, _ = _read(gallery, clustering.KIND, Paging(), "cluster")
    if not -1 <= cluster < len(report["clusters"]):
        raise Refused(
            "not-found", f"there are clusters 0 to {len(report['clusters']) - 1}, and -1 for pictures in none"
        )
    table = resources.kept(gallery, "clusters of", name, make=lambda: clustering.assignment(gallery, name))
    return set(table["id"][table["cluster"] == cluster])


def _rows(call: Call, kind: str, verb: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Of a report whose rows are a table."""
    name, report, start = _read(call.gallery, kind, call.query, verb)
    table = resources.kept(call.gallery, "table of", name, make=lambda: reports.table(call.gallery, name))
    shown = table.iloc[start : start + call.query.limit].to_dict("records")
    return _about(name, report, start, len(shown), len(table)), shown


def _read(gallery: Gallery, kind: str, page: Paging, verb: str) -> tuple[str, dict[str, Any], int]:
    """The newest report, or that of the page before; its name, itself, and where the page begins."""
    name, _, at = page.after.rpartition(":")
    try:
        if page.after and not (at.isascii() and at.isdecimal() and name.startswith(f"{kind}-")):
            raise Refused("usage", "`after` is none of this list; take the `next_after` of the page before")
        if not name:
            name = next(iter(reports.names(gallery, kind)), "")
        if not name:
            raise Refused("not-found", f"not looked for yet; start the job {verb!r} of this gallery: POST …/jobs")
        report = resources.kept(gallery, "report", name, make=lambda: reports.read(gallery, name))
        return name, report, int(at[:12] or 0)
    except GalleryError as error:
        raise Refused("not-found", str(error)) from None


def _about(name: str, report: dict[str, Any], start: int, shown: int, total: int) -> dict[str, Any]:
    after = f"{name}:{start + shown}" if shown and start + shown < total else None
    facts = {key: report[key] for key in ("made", "generation", "rows", "seed") if key in report}
    return facts | {
        "report": name,
        "encoder": exposure.without_paths(str(report.get("encoder", ""))),
        "next_after": after,
    }


def _only(type_: type[BaseModel], row: dict[str, Any]) -> Any:
    """A row's fields that the type has."""
    kept = {name: row[name] for name in type_.model_fields if name in row}
    return type_(**{name: value.tolist() if hasattr(value, "tolist") else value for name, value in kept.items()})
