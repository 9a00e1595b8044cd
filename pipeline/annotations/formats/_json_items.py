"""A JSON file part by part: what a list holds comes one by one, so a large file needs its text and little more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.files.texts import decoded

_SPACE = re.compile(r"[ \t\r\n]*")


def items(file: Path) -> Iterator[tuple[str, Any]]:
    """(key, value) of a file's object, or ('', item) of its list; under a key a list's items come one by one.

    An empty list under a key comes as (key, None). Raises UsageError where the file is not JSON.
    """
    text = decoded(file.read_bytes())  # read_text holds it three times
    try:
        yield from _parts(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file.name} is not whole JSON: line {error.lineno}, column {error.colno}: {error.msg}; export it again"
        ) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise UsageError(f"{file.name} cannot be read as JSON ({error}); export it again") from error
    except RecursionError:
        raise UsageError(f"{file.name} is nested too deep to be annotations; export it again") from None


def _parts(text: str) -> Iterator[tuple[str, Any]]:
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    if text[at : at + 1] == "[":
        at = yield from _list(text, at, "")
    elif text[at : at + 1] == "{":
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            key, at = decode(text, at)
            if not isinstance(key, str):
                raise json.JSONDecodeError("a key must be text", text, at)
            at = _skip(text, _expect(text, _skip(text, at), ":"))
            if text[at : at + 1] == "[":
                at = yield from _list(text, at, key)
            else:
                value, at = decode(text, at)
                yield key, value
            at = _next(text, at, "}")
        at += 1
    else:
        raise json.JSONDecodeError("expecting an object or a list", text, at)
    if _skip(text, at) < len(text):
        raise json.JSONDecodeError("something follows the end", text, at)


def _list(text: str, at: int, key: str) -> Any:
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        yield key, None
    while text[at : at + 1] != "]":
        value, at = decode(text, at)
        yield key, value
        at = _next(text, at, "]")
    return at + 1


def _next(text: str, at: int, end: str) -> int:
    """The next value's place, or that of `end`."""
    at = _skip(text, at)
    if text[at : at + 1] == end:
        return at
    at = _skip(text, _expect(text, at, ","))
    if text[at : at + 1] == end:
        raise json.JSONDecodeError("a value is missing after ','", text, at)
    return at


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise json.JSONDecodeError(f"expecting {sign!r}", text, at)
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # it matches nothing, too
    return match.end()
