"""Text that is not ours, for places that read Markdown: titles, labels, names, what a job said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from pipeline.errors import display_name

_MARKS = re.compile(
    r"[\\`*~$\[\]<]|&(?=[#A-Za-z])|(?<!\w)_|_(?!\w)"  # what begins or ends anything within a line
    r"|:(?=[A-Za-z])"  # :red[…]
    r"|^[#>+=|-]"  # what begins a line: headings, quotations, tables, lists; _NUMBER too
)
_NUMBER = re.compile(r"^(\d+)([.)])")
_JOINER = "\u2060"  # has no width; a backslash does not keep the page from what it looks for after it has read Markdown
_LATER = re.compile(
    r"(?<=:)(?=[\w+-]+(?:/\w+)?:)"  # :smile: and :material/home:
    r"|(?<=\bhttp:)(?=//)|(?<=\bhttps:)(?=//)|(?<=\bwww)(?=\.)|(?<=\w@)(?=\w)"  # addresses become links
    r"|(?<=<)(?=-)|(?<=[->])(?=[>-])|(?<=[<>~])(?==)",  # arrows, dashes and signs of comparison
    re.IGNORECASE,
)


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """The titles by key, with the key behind those that several share: a choice by Streamlit goes by what it is called, so of
    two that are called the same only the first could be had."""
    often = Counter(titles.values())
    return {key: title if often[title] == 1 else f"{title} ({key})" for key, title in titles.items()}


def literal(value: object) -> str:
    """`value` as Markdown that shows exactly its text, on one line: no picture, link, style, formula, icon or HTML."""
    lines = (display_name(line) for line in str(value).split("\n"))
    text = " ".join(" ".join(lines).split())
    return _NUMBER.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", _LATER.sub(_JOINER, text)))
