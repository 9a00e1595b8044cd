"""Forged widget values and component states against the running app: `python -m benchmarks.forged_states [--cases 10000]`.

A visitor speaks Streamlit's protocol. On each page, with the state that the page is in, it sends values that no page of
ours would: for every widget and component that it was shown, a value of any kind (texts, numbers, lists, JSON), and presses
buttons. The app is exposed, so nothing it says may hold a path. A fault is: the sentence of a fault of ours, an exception,
a closed connection, a path of this machine in any message. Exit 1 when there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.startup import ROOT, exposed_app_at, free_port, wait_for_server
from benchmarks.streamlit_client import VisitError, Visitor

PAGES = ("", "explore", "evaluate", "pairs", "indexes", "galleries", "hard_cases", "training")
TEXTS = ("", "\0", "a\0b", "../../etc/passwd", "/etc/passwd", "label=cup", "label=\0", "none", "k_reciprocal:k1=9", "x" * 5_000,
         "checkpoint:run=/etc", "folder:root=/etc", "9" * 400, "nan", "<b>", "{", "[]", "null", "search", "remove", "f" * 32, "--help")  # fmt: skip
NAMES = ("action", "feedback", "box", "changed", "picked", "add", "look", "kind", "id", "like", "unlike", "shape", "polygon", "turn", "only", "out", "n")  # fmt: skip
FAULT = re.compile("our fault|Traceback|RuntimeError|TypeError|KeyError")


class Forger(Visitor):
    """One that keeps the ids of what is on its page, and all that it was told."""

    def __init__(self, address: str) -> None:
        super().__init__(address, timeout=120)
        self.told: list[str] = []
        self.shown: dict[str, str] = {}  # id of a widget to its kind

    def _take(self, said: Any, answer: Any) -> None:
        element = said.delta.new_element
        kind = element.WhichOneof("type")
        self.told.append(str(said.delta))
        if kind == "file_uploader":
            self._uploader = element.file_uploader.id
        if kind:
            inner = getattr(element, kind)
            if getattr(inner, "id", ""):
                self.shown[inner.id] = kind
            answer.elements.append(element)

    def forge(self, chance: random.Random, most: int) -> None:
        """One run of the page with up to so many values that it does not offer."""
        chosen = chance.sample(sorted(self.shown), min(most, len(self.shown)))
        self.change({id: lambda state, id=id: _fill(state, self.shown[id], chance) for id in chosen})


def _fill(state: Any, kind: str, chance: random.Random) -> None:
    if kind == "bidi_component":
        state.json_value = json.dumps(_json(chance)) if chance.random() < 0.9 else chance.choice(TEXTS)
    elif kind == "button":
        state.trigger_value = True
    elif kind in ("checkbox", "toggle"):
        state.bool_value = chance.random() < 0.5
    elif kind in ("multiselect", "button_group"):
        state.string_array_value.data.extend(chance.choices(TEXTS, k=chance.randrange(4)))
    elif kind == "number_input":
        state.double_value = _number(chance)
    elif kind == "slider":
        if chance.random() < 0.5:
            state.double_array_value.data.extend(_number(chance) for _ in range(chance.randrange(3)))
        else:
            state.string_array_value.data.extend(chance.choices(TEXTS, k=chance.randrange(3)))
    elif kind == "chat_input":
        state.chat_input_value.data = chance.choice(TEXTS)
    else:
        state.string_value = chance.choice(TEXTS)


def _number(chance: random.Random) -> float:
    return chance.choice((0.0, -1.0, 1e308, float("inf"), float("nan"), -float("inf"), 1e18, 0.5, 3.0))


def _json(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind < 6:
        plain = (None, True, chance.randrange(-9, 9), _number(chance), chance.choice(TEXTS), "\ud800")
        return plain[kind]
    if kind == 6:
        return [_json(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(NAMES): _json(chance, depth + 1) for _ in range(chance.randrange(1, 5))}


@contextlib.contextmanager
def exposed_app(home: Path) -> Iterator[str]:
    port = free_port()
    command, environment = exposed_app_at(port, home)
    with (home / "app.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_for_server(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _place(stack: str) -> str:
    """Its last line, and where in the app it was."""
    lines = stack.strip().splitlines() or [""]
    ours = [line.strip() for line in lines if f'File "{ROOT}/app' in line and "faults.py" not in line]
    return f"{lines[-1][:160]} {(ours or [lines[-3].strip() if len(lines) > 2 else ''])[-1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end earlier, with fewer cases")
    given = parser.parse_args()
    chance, faults, tried = random.Random(given.seed), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="forged-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        words = [
            "ingest",
            "small",
            "--dataset",
            "catalogue:items=30,views=2,size=48",
            "--encoder",
            "color_histogram",
            "--progress",
            "none",
        ]
        subprocess.run(
            [sys.executable, "-m", "pipeline", *words],
            cwd=ROOT,
            check=True,
            env=os.environ | {"SEMBLANCE_HOME": str(home)},
        )
        secret = re.compile("|".join(map(re.escape, (folder, str(ROOT), str(Path.home()) + "/", sys.prefix))))
        end = time.monotonic() + given.seconds
        with exposed_app(home) as address:
            visitor, left = Forger(address), 0
            while sum(tried.values()) < given.cases and time.monotonic() < end:
                try:
                    if left == 0:
                        visitor.close()
                        visitor, left, page = Forger(address), 25, chance.choice(PAGES)
                        visitor.open("gallery=small")
                        visitor.open("gallery=small", page=page)
                    left -= 1
                    tried[page or "search"] += 1
                    visitor.told.clear()
                    visitor.forge(chance, chance.choice((1, 1, 2, 5)))
                except VisitError as error:
                    faults[f"{page or 'search'}: {error}"[:300]] += 1
                    left = 0
                for text in visitor.told:
                    if found := FAULT.search(text) or secret.search(text):
                        told = re.sub("[0-9a-f]{8}", "…", text[max(0, found.start() - 150) : found.end() + 60])
                        faults[f"{page or 'search'}: {' '.join(told.split())}"] += 1
            log = home / "logs" / "app.jsonl"
            stacks = Counter(
                _place(json.loads(line).get("stack", ""))
                for line in (log.read_text().splitlines() if log.exists() else ())
                if '"failed"' in line
            )
    print(measuring.machine())
    print(measuring.table(("page", "cases"), sorted(tried.items())))
    print(f"{sum(tried.values()):,} cases, {sum(faults.values())} faults or paths shown")
    for text, count in (*faults.most_common(15), *stacks.most_common(15)):
        print(f"{count} × {text}")
    return int(bool(faults or stacks))


if __name__ == "__main__":
    sys.exit(main())
