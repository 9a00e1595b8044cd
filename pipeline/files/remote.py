"""A folder in object storage (s3:// and gs://): listed, read piece by piece, never written to.

Who may read it is said by the environment alone, as the storage's own tools have it: AWS_ACCESS_KEY_ID, AWS_PROFILE,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS and so on.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import PictureError, SemblanceError, UsageError

LIBRARIES = {"s3": "s3fs", "gs": "gcsfs"}
SECONDS = 20  # without an answer
_TRIES = 3


class StorageError(SemblanceError):
    """The storage as a whole cannot be read now: nothing is known of its pictures, so nothing follows from it."""


class RemoteFolder:
    """What lies below `url`. Pickled it is its address; connections are made where it is used."""

    def __init__(self, url: str, *, anon: bool = False) -> None:
        """UsageError for an address that cannot be one, holds a password, or whose library is not installed."""
        self.url, self._anon = url.rstrip("/"), anon
        parts = urlsplit(self.url)
        if parts.scheme not in LIBRARIES or not parts.netloc:
            raise UsageError(
                f"url={url} is no folder in object storage; write e.g. s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise UsageError(
                "the address holds a user, a password or a question; keys come from the environment alone, e.g. "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        _class_of(parts.scheme)

    def __str__(self) -> str:
        return self.url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFolder) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def paths(self) -> list[str]:
        """Of all objects below, relative, sorted. StorageError where they cannot be listed, UsageError where there is none."""
        with self._explained():
            files = self._files
            files.invalidate_cache()
            base = files._strip_protocol(self.url).rstrip("/") + "/"
            listed = files.find(base, withdirs=False)
        found = sorted(path[len(base) :] for path in listed if path.startswith(base) and not path.endswith("/"))
        if not found:
            raise UsageError(f"{self.url} holds nothing; check the bucket's name and the folder's spelling")
        return found

    def has(self, relative: str) -> bool:
        """Whether there is such an object. StorageError when the storage cannot be asked."""
        with self._explained():
            return bool(self._files.isfile(f"{self.url}/{relative}"))

    def read(self, relative: str, *, limit: int) -> bytes:
        """At most `limit` bytes of an object. PictureError when it is gone or closed, StorageError when the storage is."""
        if ".." in relative.split("/"):
            raise PictureError("the path leads outside the dataset's folder; copy the picture into that folder")
        try:
            with self._explained():
                return self._bytes(relative, limit)
        except _Closed as error:
            self._still_listed()
            raise PictureError(f"this object may not be read ({error}); give these credentials leave to") from None

    def _bytes(self, relative: str, limit: int) -> bytes:
        try:
            with self._files.open(f"{self.url}/{relative}", "rb", cache_type="none") as file:
                return bytes(file.read(limit))
        except FileNotFoundError:
            raise PictureError("there is no such object any more; ingest the dataset again") from None

    def _still_listed(self) -> None:
        """StorageError unless the folder may be listed: else the credentials have ended, not one object's leave."""
        try:
            with self._explained():
                self._files.invalidate_cache()
                self._files.ls(self.url, detail=False)
        except _Closed as error:
            raise self._refused(error) from None

    @property
    def _files(self) -> Any:
        return _connected(urlsplit(self.url).scheme, self._anon)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SemblanceError:
            raise
        except FileNotFoundError:
            raise StorageError(f"{self.url}: there is no such bucket; check the spelling of its name") from None
        except PermissionError as error:
            raise _Closed(_short(error)) from None
        # Each library has errors of its own, down to those of its connections.
        except Exception as error:
            if "credential" in str(error).lower() or "credential" in type(error).__name__.lower():
                raise self._refused(error) from None
            raise StorageError(
                f"{self.url} cannot be reached ({_short(error)}); check the network and run the same command again, it goes on "
                "from there"
            ) from None

    def _refused(self, error: Exception) -> StorageError:
        key = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        key = key if self.url.startswith("s3:") else "GOOGLE_APPLICATION_CREDENTIALS"
        return StorageError(
            f"{self.url} may not be read with what the environment says ({_short(error)}); set {key}, or anon=true for a bucket "
            "that is open to all"
        )


class _Closed(StorageError):
    """The storage answers, and refuses."""


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _class_of(scheme: str) -> Any:
    """UsageError where its library is not installed."""
    import fsspec

    try:
        return fsspec.get_filesystem_class(scheme)
    except ImportError:
        raise UsageError(
            f"{scheme}:// needs a library that is not installed: pip install {LIBRARIES[scheme]}"
        ) from None


@functools.cache
def _connected(scheme: str, anon: bool) -> Any:
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        retries = {"max_attempts": _TRIES}
        options |= {"config_kwargs": {"connect_timeout": SECONDS / 2, "read_timeout": SECONDS, "retries": retries}}
        options |= {"anon": anon}
    elif scheme == "gs" and anon:
        options |= {"token": "anon"}
    return _class_of(scheme)(**options)
