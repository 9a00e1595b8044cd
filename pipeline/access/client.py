"""A client of the HTTP API in one file that needs nothing but Python: copy it where it is wanted.

semblance = Semblance("http://127.0.0.1:8502")
for hit in semblance.search("my_photos", pictures=["query.jpg"], k=5).hits:
    print(hit.score, hit.path)
"""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

Kind = TypeVar("Kind")
File = str | Path | bytes  # a picture or zip: where it is, or its bytes


class Problem(Exception):
    """What the API says when it cannot answer. kind: the last part of its type, such as not-found; wait: seconds."""

    def __init__(self, status: int, told: Mapping[str, Any], wait: float = 0.0) -> None:
        self.status, self.kind, self.wait = status, str(told.get("type", "other")).rpartition("/")[2], wait
        self.detail, self.request_id = told.get("detail", "no problem details came"), told.get("request_id", "")
        super().__init__(f"{self.detail} ({status} {self.kind})")


@dataclass(frozen=True)
class Gallery:
    name: str
    title: str
    encoder: str
    rows: int
    fields: list[str]
    words: bool


@dataclass(frozen=True)
class Picture:
    id: str
    path: str
    label: str
    metadata: dict[str, str]
    tags: list[str]


@dataclass(frozen=True)
class Hit:
    rank: int
    id: str
    path: str
    label: str
    score: float
    percentile: float | None = None
    band: str | None = None
    folded: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    hits: list[Hit]
    weak_below: float
    milliseconds: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Job:
    id: str
    verb: str
    state: str
    progress: dict[str, Any]
    errors: str


class Semblance:
    """One server. token: of `python -m pipeline tokens add`; "" reads SEMBLANCE_TOKEN. Raises Problem and OSError."""

    def __init__(self, address: str = "http://127.0.0.1:8501", token: str = "", *, timeout: float = 60.0) -> None:
        self._address = address.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self._token, self._timeout = token or os.environ.get("SEMBLANCE_TOKEN", ""), timeout

    def galleries(self) -> list[Gallery]:
        return [_made(Gallery, one) for page in self._pages("/galleries", {}) for one in page["galleries"]]

    def pictures(self, gallery: str, **asked: Any) -> Iterator[Picture]:
        """All that pass, page by page. asked: where, tag, cluster."""
        for page in self._pages(below(gallery, "pictures"), {"limit": 1_000} | asked):
            yield from (_made(Picture, one) for one in page["pictures"])

    def search(self, gallery: str, *, pictures: Iterable[File] = (), **asked: Any) -> Answer:
        """pictures: files or their bytes. asked: ids, like, unlike, texts, not_texts, region, where, k, collapse, rerank, …"""
        return _made(Answer, self.call("POST", below(gallery, "search"), asked, pictures))

    def similar(self, gallery: str, ids: Sequence[str], **asked: Any) -> dict[str, Answer]:
        """The nearest of each id by itself."""
        found = self.call("POST", below(gallery, "similar"), {"ids": list(ids)} | asked)
        return {one: _made(Answer, answer) for one, answer in found["answers"].items()}

    def explain(self, gallery: str, query: File, hit: str) -> dict[str, Any]:
        """query: an id, a file or its bytes."""
        by_id = isinstance(query, str) and len(query) == 32 and not set(query) - set("0123456789abcdef")
        asked = {"hit": hit} | ({"query": query} if by_id else {})
        return self.call("POST", below(gallery, "explain"), asked, [] if by_id else [query])

    def file(self, gallery: str, picture: str, kind: str = "original") -> bytes:
        """kind: original or thumbnail."""
        return self._bytes("GET", below(gallery, f"pictures/{picture}/{kind}"))

    def add(self, gallery: str, pictures: Iterable[File], *, label: str = "", encoder: str = "") -> Job:
        """Start the job that ingests them; `wait` for it before they are searched."""
        asked = {"label": label, "encoder": encoder}
        return _made(Job, self.call("POST", below(gallery, "pictures"), asked, pictures)["job"])

    def remove(self, gallery: str, ids: Sequence[str], *, undo: bool = False) -> int:
        return self._changed(gallery, f"pictures/{'restore' if undo else 'remove'}", ids=list(ids))

    def tag(self, gallery: str, ids: Sequence[str], tag: str, *, given: bool = True) -> int:
        return self._changed(gallery, "tags", tag=tag, ids=list(ids), given=given)

    def label(self, gallery: str, labels: Mapping[str, str | None]) -> dict[str, str | None]:
        """None: the dataset's own. Returns what takes it back."""
        return self.call("POST", below(gallery, "labels"), {"labels": dict(labels)})["undo"]

    def find(self, gallery: str, verb: str, **options: Any) -> Job:
        """verb: duplicates, cluster, label-errors, outliers or aspects; `report` reads what it found."""
        return _made(Job, self.call("POST", below(gallery, "jobs"), {"verb": verb} | options))

    def wait(self, job: Job) -> Iterator[Job]:
        """The job whenever it changes, at last as it ended."""
        while job.state in ("waiting", "running"):
            with self._opened("GET", f"/jobs/{job.id}/events") as lines:
                for line in lines:
                    if line.startswith(b"data: {") and b'"state"' in line:
                        job = _made(Job, json.loads(line[6:]))
                        yield job

    def report(self, gallery: str, kind: str) -> Iterator[dict[str, Any]]:
        """kind: duplicates, clusters, label-errors or outliers. The pages of the newest."""
        return self._pages(below(gallery, kind), {})

    def call(self, method: str, path: str, asked: Any = None, pictures: Iterable[File] = ()) -> Any:
        """Any operation of the OpenAPI document; its answer as JSON."""
        files = [("picture", f) if isinstance(f, bytes) else (Path(f).name, Path(f).read_bytes()) for f in pictures]
        body, kind = (None, "") if asked is None else (json.dumps(asked).encode(), "application/json")
        if files:
            body, kind = _form(body or b"{}", files)
        return json.loads(self._bytes(method, path, body, kind))

    def _changed(self, gallery: str, what: str, **asked: Any) -> int:
        return int(self.call("POST", below(gallery, what), asked)["changed"])

    def _pages(self, path: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        after: str | None = ""
        while after is not None:
            page = self.call("GET", f"{path}?{urllib.parse.urlencode(asked, True, errors='surrogatepass')}")
            asked, after = asked | {"after": page["next_after"]}, page["next_after"]
            yield page

    def _bytes(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        with self._opened(method, path, body, kind) as answer:
            return bytes(answer.read())

    def _opened(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers |= {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(self._address + path, body, headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            text = error.read() if "problem+json" in error.headers.get("Content-Type", "") else b"{}"  # a proxy's page
            raise Problem(error.code, json.loads(text), float(error.headers.get("Retry-After", 0))) from None


def below(gallery: str, rest: str) -> str:
    return f"/galleries/{urllib.parse.quote(gallery, safe='', errors='surrogatepass')}/{rest}"


def _form(question: bytes, files: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    edge = secrets.token_hex(16)
    head = f"--{edge}\r\nContent-Disposition: form-data; name="
    made = f'{head}"question"\r\n\r\n'.encode() + question + b"\r\n"
    for name, data in files:
        quoted = name.translate({34: "%22", 13: "%0D", 10: "%0A"}).encode(errors="replace").decode()
        made += f'{head}"picture"; filename="{quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
        made += data + b"\r\n"
    return made + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def _made(kind: type[Kind], found: Mapping[str, Any]) -> Kind:
    """What a newer server says besides is passed over."""
    given = {one.name: found[one.name] for one in fields(kind) if one.name in found}  # type: ignore[arg-type]
    return kind(**given | ({"hits": [_made(Hit, hit) for hit in given["hits"]]} if kind is Answer else {}))
