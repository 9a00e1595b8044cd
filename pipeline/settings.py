"""Settings from the environment, all named SEMBLANCE_*."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import UsageError

_LEAST = 16  # characters of a password in a file; fewer means a cut or a foreign file. Milvus takes 6 to 72


class Settings(BaseSettings):
    """Read afresh on each construction, so a test or a child process sees its own environment."""

    model_config = SettingsConfigDict(env_prefix="SEMBLANCE_")

    home: Path = Path("data")
    milvus_uri: str = ""  # empty: the embedded file home/milvus.db
    milvus_token: str = ""
    milvus_password_file: str = ""  # of root, read when it is asked for: a container's environment shows no password
    mongodb: str = ""  # where `export NAME mongodb://` writes: an address with user and password
    device: str = "auto"
    log: str = "file"  # the app's: file (home/logs/app.jsonl), stderr or none
    exposed: bool = False  # strangers reach the app: docs/security.md
    sign_in: bool = False  # no page before sign-in is configured; a secrets.toml with [auth] asks for it anyway
    api: bool | None = None  # the HTTP API: docs/api.md; None: on, and off when exposed
    api_rate: float = 100.0  # requests a second that one token may make; 0: no limit
    encoders: str = ""  # when exposed: further encoders that a visitor may choose, specs with blanks between
    demo: bool = False  # fill the demo's gallery when the app starts
    jobs: int = 0  # that pages start, at work at a time; 0: one, two where there are four cores
    job_memory: float = 0.0  # GB that a job may hold; 0: half of the memory, shared by those at work
    visitor_jobs: int = 3  # when exposed: at work and waiting, a visitor
    visitor_disk: float = 2.0  # GB, when exposed: of galleries, cases and uploads, a visitor
    visitor_uploads: float = 0.5  # GB, when exposed: in memory at a time, a visitor
    folders: str = ""  # when exposed: the folders a visitor may ingest from, separated as PATH is

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        return home.expanduser()

    @property
    def uri(self) -> str:
        """Where Milvus is: the URI that was set, else the embedded file."""
        return self.milvus_uri or str(self.home.absolute() / "milvus.db")

    @property
    def token(self) -> str:
        """What Milvus is asked with: the token, or root with the password in its file. UsageError when that is none."""
        if self.milvus_token or not self.milvus_password_file:
            return self.milvus_token
        return f"root:{password_in(Path(self.milvus_password_file))}"

    @property
    def galleries(self) -> Path:
        return self.home / "galleries"

    @property
    def cache(self) -> Path:
        """Rendered and downloaded datasets; safe to delete."""
        return self.home / "cache"

    @property
    def runs(self) -> Path:
        """Training runs, a folder each."""
        return self.home / "runs"


def password_in(file: Path) -> str:
    """The password that a file holds alone. UsageError when it is not there or not one."""
    try:
        password = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise UsageError(
            f"there is no password in {file} yet; the service first-start makes it: docker compose up first-start"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the password in {file} cannot be read: {error}") from error
    if len(password) < _LEAST or not password.isprintable() or ":" in password:
        raise UsageError(f"{file} holds no password of {_LEAST} characters and more without a colon; was it cut short?")
    return password


def current() -> Settings:
    """As `Settings()`, made once for an environment: for what is asked many times a second. Nobody may change it."""
    return _made(tuple((name, os.environ.get(name, "")) for name in os.environ if name[:10].upper() == "SEMBLANCE_"))


@functools.lru_cache(maxsize=4)
def _made(_environment: tuple[tuple[str, str], ...]) -> Settings:
    return Settings()


def exposed() -> bool:
    """`Settings().exposed`, cheap enough to ask for every picture."""
    return bool(os.environ.get("SEMBLANCE_EXPOSED")) and current().exposed
