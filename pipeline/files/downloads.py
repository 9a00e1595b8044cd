"""One file from the web: resumed after a break, checked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.records import Progress, silent

CHUNK = 1 << 18
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that another try may cure


@dataclass(frozen=True)
class Version:
    """What a server says about the file it is sending; two parts fit together only when theirs agree."""

    url: str
    validator: str = ""  # a strong ETag, else Last-Modified
    size: int = -1  # bytes of the whole file, -1 when not said


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    progress: Progress = silent,
    attempts: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Put the file at `url` to `target` and return `target`; nothing is fetched when it is there already.

    A broken transfer waits beside it as NAME.part and is gone on with, also by a later call, when the server can send
    ranges and still has the same file. sha256: 64 hex digits. attempts: tries in a row that bring nothing new.
    timeout: seconds of silence. pause: seconds before the second try, doubled each time up to 30.
    Raises UsageError for an address that is not http(s), SemblanceError when the file cannot be had or is another one.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"cannot download {url!r}; the address must begin with http:// or https://")
    if target.exists():
        if sha256 and file_sha256(target) != sha256.lower():
            raise SemblanceError(
                f"{target} is not the file expected (its SHA-256 is not {sha256}); delete or replace it"
            )
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, target) from error

    transfer = _Transfer(url, target, progress, timeout)
    resumed = transfer.part.exists()
    _fetch(transfer, attempts, pause)
    if sha256 and resumed and file_sha256(transfer.part) != sha256.lower():
        transfer.discard()  # the part may be from another file; begun afresh there is no such doubt
        _fetch(transfer, attempts, pause)
    if sha256 and (found := file_sha256(transfer.part)) != sha256.lower():
        transfer.discard()
        raise SemblanceError(
            f"{url} sent another file than expected: SHA-256 {found}, not {sha256}; it was deleted. "
            f"Try again later, or put the right file at {target} yourself"
        )
    transfer.finish()
    return target


def file_sha256(path: Path) -> str:
    """64 hex digits over a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(transfer: _Transfer, attempts: int, pause: float) -> None:
    """Ask until the part is whole. Only tries that bring no byte more than any before count as failed."""
    most = failed = 0
    while True:
        reason = ""
        try:
            if transfer.attempt():
                return
            reason = "the connection broke"
        except urllib.error.HTTPError as error:
            reason = f"the server answered {error.code} {error.reason}"
            if error.code not in PASSING:
                raise transfer.failure(reason) from error
        except (OSError, http.client.HTTPException) as error:  # URLError, timeouts and resets are OSErrors
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failed = 0 if transfer.received > most else failed + 1
        most = max(most, transfer.received)
        if failed >= attempts:
            raise transfer.failure(reason)
        time.sleep(min(30.0, pause * 2 ** max(0, failed - 1)))


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(self, url: str, target: Path, progress: Progress, timeout: float) -> None:
        self.url, self.target, self.progress, self.timeout = url, target, progress, timeout
        self.part = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")  # the Version that the part belongs to

    @property
    def received(self) -> int:
        """Bytes on the disk."""
        return self.part.stat().st_size if self.part.exists() else 0

    def attempt(self) -> bool:
        """One connection; True when the file is whole. Raises what urllib raises."""
        version = self._noted()
        if version is None:
            self.discard()
        start = self.received
        if version and start == version.size:
            return True
        headers = {"Accept-Encoding": "identity", "User-Agent": "semblance"}
        if version and start:
            headers["Range"] = f"bytes={start}-"
            if version.validator:
                headers["If-Range"] = version.validator
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if error.code == 416 and start:  # the file has become shorter than the part
                self.discard()
                return False
            raise
        with response:
            sent = _version(self.url, response.headers, whole=response.status == 200)
            if response.status == 206 and (sent != version or _range_start(response.headers) != start):
                self.discard()  # another file than the part's, or another piece of it
                return False
            if response.status not in (200, 206):
                raise self.failure(f"the server answered {response.status}, not with the file")
            return self._receive(response, sent, append=response.status == 206)

    def _receive(self, response: http.client.HTTPResponse, version: Version, *, append: bool) -> bool:
        if not append:
            self.discard()
            self._write(b"")
            atomic.write_json(self.note, asdict(version))
        done = self.received
        self._report(done, version)
        while chunk := response.read(CHUNK):
            self._write(chunk)
            done += len(chunk)
            self._report(done, version)
        return version.size in (-1, done)

    def _write(self, data: bytes) -> None:
        try:
            with self.part.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise atomic.disk_error(error, self.target) from error

    def _report(self, done: int, version: Version) -> None:
        self.progress(f"download {self.target.name}", done, max(version.size, 0))

    def _noted(self) -> Version | None:
        """What the part on the disk belongs to; None when that is unknown or another address."""
        try:
            version = Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return version if version.url == self.url and self.part.exists() else None

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        try:
            with self.part.open("r+b") as file:
                os.fsync(file.fileno())
            os.replace(self.part, self.target)
        except OSError as error:
            raise atomic.disk_error(error, self.target) from error
        self.note.unlink(missing_ok=True)

    def failure(self, reason: str) -> SemblanceError:
        kept = f" {self.received:,} bytes are kept and the next try goes on from there." if self.received else ""
        return SemblanceError(
            f"cannot download {self.url}: {reason}.{kept} Check the connection and run the same command again, "
            f"or download the file yourself and put it at {self.target}"
        )


def _version(url: str, headers: Mapping[str, str], *, whole: bool) -> Version:
    etag = headers.get("ETag") or ""
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified") or ""
    size = headers.get("Content-Length") if whole else (headers.get("Content-Range") or "").rpartition("/")[2]
    return Version(url, validator, int(size) if size and size.isdigit() else -1)


def _range_start(headers: Mapping[str, str]) -> int:
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range") or "")
    return int(match[1]) if match else -1
