"""XML of strangers, read without following what it declares: entities can name files and grow without end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from pipeline.files.texts import marked_encoding

_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_ROOT = re.compile(r"<([A-Za-z_][\w.-]*)")


def root_name(head: str) -> str:
    """Of the element that an XML file begins with; '' when it is none."""
    plain = re.sub(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(\[.*?\])?[^>]*>", "", head, flags=re.DOTALL)
    match = _ROOT.match(plain.lstrip("\ufeff \t\r\n"))
    return match[1] if match else ""


def parsed(file: Path) -> ElementTree.Element:
    """Raises ValueError with a reason for people: damaged, in an unknown encoding, or with a document type."""
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
