"""Tokens for programs: what each may do, kept as digests, so that whoever reads the file can use none of them."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each may do what those before it may. read: look and search. write: add, remove, judge, start jobs. admin: make and
delete galleries."""
FILE = "api_tokens.json"  # in the home
PREFIX = "sem_"  # so that a scanner for secrets knows one when it sees it
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Token:
    name: str  # who has it; it is written to the log with each request
    scope: Scope
    digest: str  # SHA-256 of the token; it is random enough (256 bits) that nothing slower is needed
    made: str  # UTC

    def may(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def read(home: Path) -> list[Token]:
    """In the order they were made. SemblanceError for a file that cannot be read: then nobody gets in."""
    try:
        rows = json.loads((home / FILE).read_text(encoding="utf-8"))
        tokens = [Token(**row) for row in rows]
        if all(token.scope in SCOPES for token in tokens):
            return tokens
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError):
        pass
    raise SemblanceError(f"{home / FILE} cannot be read; mend it, or delete it and make the tokens anew")


def add(home: Path, name: str, scope: str = "read") -> str:
    """The new token, which is told only now. UsageError for a name that is taken or none, and for a scope that is none."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"bad token name {name!r}: write 1 to 64 of a-z, 0-9, _ . -, such as the program it is for")
    if scope not in SCOPES:
        raise UsageError(f"unknown scope {scope!r}; choose from {', '.join(SCOPES)}")
    token = PREFIX + secrets.token_urlsafe(32)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with _changing(home):
        tokens = read(home)
        if any(one.name == name for one in tokens):
            raise UsageError(f"there is a token {name!r}; revoke it first, or take another name")
        _write(home, [*tokens, Token(name, scope, digest(token), made)])
    return token


def revoke(home: Path, name: str) -> None:
    """UsageError when there is none of this name."""
    with _changing(home):
        tokens = read(home)
        if all(one.name != name for one in tokens):
            known = ", ".join(one.name for one in tokens) or "none yet"
            raise UsageError(f"no token {name!r} (there is: {known})")
        _write(home, [one for one in tokens if one.name != name])


def find(tokens: list[Token], token: str) -> Token | None:
    """The one that was given, compared in a time that tells nothing."""
    asked = digest(token)
    found = [one for one in tokens if hmac.compare_digest(one.digest, asked)]
    return found[0] if found else None


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def _changing(home: Path):  # type: ignore[no-untyped-def]
    from filelock import FileLock

    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f".{FILE}.lock", timeout=10):
        yield


def _write(home: Path, tokens: list[Token]) -> None:
    with atomic.replacing(home / FILE) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps([asdict(one) for one in tokens], indent=1), encoding="utf-8")
