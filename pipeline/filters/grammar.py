"""Reading what people type as a filter.

    field=value   field!=value   field=a,b (any of)   field=low..high   field<value   <=   >   >=   field~part   field!~part

joined by `and`, `or`, `not` and brackets. Several filters must all hold. A value runs to the next comma, or to an `and`
or `or` behind which another clause begins; a backslash before `,`, `\\`, `(`, `)` or a blank takes
its meaning from it. A field of that kind of name is written with a backslash before `=`, `!`, `<`, `>` or `~`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.errors import UsageError
from pipeline.filters.clauses import ORDERED, SIGNS, Clause, Either, Filter

_SIGN = "|".join(map(re.escape, SIGNS))
_CLAUSE = re.compile(rf"\s*(?P<field>(?:[^=!<>~\\]|\\.)+?)\s*(?P<sign>{_SIGN})", re.DOTALL)
_JOINT = re.compile(r"\s+(and|or)\s+", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:not\s+|\()*(?P<field>(?:[^=!<>~,\\]|\\.)+?)\s*(?:{_SIGN})", re.DOTALL | re.IGNORECASE)
_NOT = re.compile(r"\s*not\s+", re.IGNORECASE)
_VALUE = re.compile(r",((?:[^,\\]|\\.|\\$)*)", re.DOTALL)  # a comma, then text up to the next one not escaped
_ESCAPED = re.compile(r"\\([,\\()\s])")
MAX_DEPTH = 50


def parse(texts: Iterable[str]) -> Filter:
    """Filters as typed on the command line. UsageError names what cannot be read."""
    return Filter(tuple(clause for text in texts for clause in _Reader(text).whole().clauses))


class _Reader:
    """One text and how far it was read."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.open, self.depth = text, 0, 0, 0

    def whole(self) -> Filter:
        made = self.choice()
        if rest := self.text[self.at :].strip():
            raise self.fault(f"; behind the bracket stands {rest!r}, and only `and` or `or` can")
        return made

    def choice(self) -> Filter:
        parts = [self.chain()]
        while self.joint("or"):
            parts.append(self.chain())
        return parts[0] if len(parts) == 1 else Filter((Either(tuple(parts)),))

    def chain(self) -> Filter:
        clauses = self.part().clauses
        while self.joint("and"):
            clauses += self.part().clauses
        return Filter(clauses)

    def part(self) -> Filter:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(f"; it is more than {MAX_DEPTH} brackets deep")
        made = self.negated() or self.group() or Filter((self.clause(),))
        self.depth -= 1
        return made

    def negated(self) -> Filter | None:
        match = _NOT.match(self.text, self.at)
        if match is None or not self.begins_clause(match.end()):
            return None
        self.at = match.end()
        return self.part().turned()

    def group(self) -> Filter | None:
        opened = len(self.text) - len(self.text[self.at :].lstrip())
        if self.text[opened : opened + 1] != "(":
            return None
        self.at, self.open = opened + 1, self.open + 1
        made = self.choice()
        closed = len(self.text) - len(self.text[self.at :].lstrip())
        if self.text[closed : closed + 1] != ")":
            raise self.fault("; a bracket is never closed")
        self.at, self.open = closed + 1, self.open - 1
        return made

    def clause(self) -> Clause:
        match = _CLAUSE.match(self.text, self.at)
        if match is None:
            raise self.fault()
        end = self.end_of_values(match.end())
        written, sign = self.text[match.end() : end], match["sign"]
        self.at = end
        values = tuple(_ESCAPED.sub(r"\1", part) for part in _VALUE.findall("," + written))
        if sign in ORDERED or "~" in sign:
            values = tuple(value.strip() for value in values)
        field = re.sub(r"\\([=!<>~\\(),])", r"\1", match["field"])
        return Clause(field, values, negate=sign[0] == "!", operator=sign.lstrip("!"))

    def end_of_values(self, at: int) -> int:
        """Where the values that begin at `at` end; brackets of theirs that are closed again belong to them."""
        inner = 0
        while at < len(self.text):
            letter = self.text[at]
            joint = _JOINT.match(self.text, at) if letter.isspace() else None
            if joint and not inner and self.begins_clause(joint.end()):
                break
            if letter == ")" and self.open:
                if not inner:
                    break
                inner -= 1
            inner += letter == "(" and bool(self.open)
            at += 2 if letter == "\\" else 1
        return min(at, len(self.text))

    def begins_clause(self, at: int) -> bool:
        match = _BEHIND.match(self.text, at)
        return match is not None and _JOINT.search(match["field"]) is None

    def joint(self, word: str) -> bool:
        match = _JOINT.match(self.text, self.at)
        if match is None or match[1].lower() != word:
            return False
        self.at = match.end()
        return True

    def fault(self, why: str = "") -> UsageError:
        return UsageError(
            f"cannot read filter {self.text!r}; write field=value, field!=value or field=a,b, field=low..high, field>=value, "
            f"field~part, joined by and, or, not{why}"
        )
