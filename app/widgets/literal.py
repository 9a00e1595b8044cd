"""Text that is not ours, for places that read Markdown: titles, labels, names, what a job said."""

from __future__ import annotations

import re
import string

from pipeline.errors import display_name

_MARKS = re.compile(f"([{re.escape(string.punctuation)}])")
_JOINER = "\u2060"  # has no width; a backslash does not keep the page from what it looks for after it has read Markdown
_LATER = re.compile(
    r"(?<=:)(?=[\w+-]+(?:/\w+)?:)"  # :smile: and :material/home:
    r"|(?<=\bhttp:)(?=//)|(?<=\bhttps:)(?=//)|(?<=\bwww)(?=\.)|(?<=\w@)(?=\w)"  # addresses become links
    r"|(?<=<)(?=-)|(?<=[->])(?=[>-])|(?<=[<>~])(?==)",  # arrows, dashes and signs of comparison
    re.IGNORECASE,
)


def literal(value: object) -> str:
    """`value` as Markdown that shows exactly its text, on one line: no picture, link, style, formula, icon or HTML."""
    lines = (display_name(line) for line in str(value).split("\n"))
    return _MARKS.sub(r"\\\1", _LATER.sub(_JOINER, " ".join(" ".join(lines).split())))
