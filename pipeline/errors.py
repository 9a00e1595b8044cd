"""Errors a user can cause. Each message says what is wrong, what was expected and what to do."""


def as_it_is(message: str) -> str:
    return message


class SemblanceError(Exception):
    """One clear sentence for a person; the command line prints it and exits with `exit_code`."""

    exit_code = 1
    shown = staticmethod(as_it_is)  # the app puts in its place what hides this machine's paths from visitors

    def __str__(self) -> str:
        return self.shown(super().__str__())


class UsageError(SemblanceError):
    """The request itself is wrong (a bad name, option or number), so nothing was tried."""

    exit_code = 2


class PictureError(SemblanceError):
    """A file that is not a picture we accept; the message is the reason shown in rejected.csv."""


class GalleryError(SemblanceError):
    """A gallery that is missing, damaged or made with another encoder."""


class StoreError(SemblanceError):
    """Milvus refused, timed out or cannot be reached. Nothing is lost: the gallery on disk is the truth."""


class StoreLocked(StoreError):
    """The embedded Milvus file is held by another process."""
