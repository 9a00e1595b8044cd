"""Text as people's programs write it: which bytes mean which letters; XML without following what it declares."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_ROOT = re.compile(r"<([A-Za-z_][\w.-]*)")


def marked_encoding(data: bytes) -> str:
    """What a byte order mark says; UTF-8 without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def has_mark(data: bytes) -> bool:
    return any(data.startswith(mark) for mark, _ in _MARKS)


def decoded(data: bytes) -> str:
    """A file's text, its mark followed and taken off. Raises UnicodeDecodeError for what is neither UTF-8 nor marked."""
    return data.decode(marked_encoding(data))


def head_of(file: Path, size: int) -> str:
    """The text that a file begins with, at most `size` bytes of it; what cannot be read is replaced."""
    with file.open("rb") as stream:
        data = stream.read(size)
    return data.decode(marked_encoding(data), errors="replace")


def root_name(head: str) -> str:
    """Of the element that an XML file begins with; '' when it is none."""
    plain = re.sub(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(\[.*?\])?[^>]*>", "", head, flags=re.DOTALL)
    match = _ROOT.match(plain.lstrip("\ufeff \t\r\n"))
    return match[1] if match else ""


def parsed_xml(file: Path) -> ElementTree.Element:
    """The root; entities, which can name files and grow without end, are refused. Raises ValueError with a reason for people: damaged, in an unknown encoding, or with a document type."""
    data = file.read_bytes()
    declared = _DECLARED.match(data[:200])
    if declared and marked_encoding(data) == "utf-8" and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        try:  # expat knows few encodings, GBK and Shift JIS not among them
            data = data[declared.end() :].decode(declared[1].decode()).encode()
        except (UnicodeDecodeError, LookupError) as error:
            raise ValueError(f"it is not in the encoding that it declares: {error}") from error
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: Any) -> None:
        raise ValueError("it declares a document type, which is not needed here")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        page: ElementTree.Element = builder.close()
    except (ElementTree.ParseError, expat.ExpatError, AssertionError) as error:
        raise ValueError(str(error)) from error
    return page
