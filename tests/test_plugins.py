"""One file adds one thing: found by its name, told by its options, refused with the choices."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ROOT, plugins
from pipeline.errors import UsageError


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """add(name, code): a file in a folder of encoders that holds nothing else."""
    import pipeline.encoders

    folder = tmp_path / "encoders"
    folder.mkdir()
    monkeypatch.setitem(plugins._FOLDERS, "encoders", folder)
    monkeypatch.setattr(pipeline.encoders, "__path__", [str(folder)])

    def write(name: str, code: str) -> None:
        monkeypatch.delitem(sys.modules, f"pipeline.encoders.{name}", raising=False)
        (folder / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")

    yield write
    for name in [path.stem for path in folder.glob("*.py")]:
        sys.modules.pop(f"pipeline.encoders.{name}", None)


TOY = """
    from pathlib import Path
    from typing import Literal
    from pipeline.plugins import Card
    CARD = Card("a toy")
    def build(*, colour: Literal["red", "blue"] = "red", size: int = 3, share: float = 0.5, deep: bool = False,
              steps: Literal[8, 16] = 8, file: Path | None = None, word: str = "a"):
        return dict(colour=colour, size=size, share=share, deep=deep, steps=steps, file=file, word=word)
"""


def test_a_new_file_is_a_new_plugin(add: Callable) -> None:
    add("toy", TOY)
    add("_kept_aside", "raise SystemExit")
    assert plugins.available("encoders") == ["toy"]
    assert plugins.card("encoders", "toy").summary == "a toy"
    assert plugins.build("encoders", "toy")["colour"] == "red"


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_listing_imports_nothing(kind: str) -> None:
    code = (
        f"import sys; from pipeline import plugins; names = plugins.available({kind!r})\n"
        f"assert not [m for m in sys.modules if m.startswith('pipeline.{kind}.')], 'imported'\n"
        "assert not {'torch', 'numpy', 'pymilvus', 'pandas'} & sys.modules.keys(), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("kind", ["encoders", "datasets", "stores"])
def test_cards_and_options_are_read_without_the_heavy_libraries(kind: str) -> None:
    code = (
        f"import sys; from pipeline import plugins\n"
        f"for n in plugins.available({kind!r}): plugins.card({kind!r}, n), plugins.options({kind!r}, n)\n"
        "heavy = {'torch', 'torchvision', 'timm', 'pymilvus', 'sklearn', 'faiss'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("name", ("name", {})),
        (" name ", ("name", {})),
        ("name:", ("name", {})),
        ("name:a=1", ("name", {"a": "1"})),
        ("name:a=1, b-c = x y ", ("name", {"a": "1", "b_c": "x y"})),
        ("folder:root=C:\\photos", ("folder", {"root": "C:\\photos"})),
        ("folder:root=/a,b/c", ("folder", {"root": "/a,b/c"})),
        ("pca:base=torchvision:arch=x", ("pca", {"base": "torchvision:arch=x"})),
        ("name:a=", ("name", {"a": ""})),
    ],
)
def test_a_spec_is_a_name_and_options(spec: str, expected: tuple[str, dict[str, str]]) -> None:
    assert plugins.parse(spec) == expected


plain = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


@given(plain, st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), plain))
def test_what_is_written_is_what_is_read(name: str, options: dict[str, str]) -> None:
    spec = name + (":" if options else "") + ",".join(f"{key}={value}" for key, value in options.items())
    assert plugins.parse(spec) == (name, options)


def test_an_option_without_a_value_is_refused_with_the_grammar() -> None:
    with pytest.raises(UsageError, match="cannot read option 'big' in 'toy:big'; write toy:key=value,key=value"):
        plugins.parse("toy:big")


@pytest.mark.parametrize("spec", ["toy:size=1,size=2", "toy:a-b=1,a_b=1"])
def test_an_option_given_twice_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="given twice"):
        plugins.parse(spec)


def test_texts_become_what_the_signature_says(add: Callable) -> None:
    add("toy", TOY)
    made = plugins.build("encoders", "toy:colour=blue,size=7,share=0.25,deep=yes,steps=16,file=/a/b,word=7")
    assert made == {
        "colour": "blue",
        "size": 7,
        "share": 0.25,
        "deep": True,
        "steps": 16,
        "file": Path("/a/b"),
        "word": "7",
    }
    assert [type(value) for value in made.values()][1:5] == [int, float, bool, int]


def test_options_are_told_in_the_order_of_the_signature(add: Callable) -> None:
    add("toy", TOY)
    told = [(o.name, o.type, o.default, o.choices) for o in plugins.options("encoders", "toy")]
    assert told == [
        ("colour", str, "red", ("red", "blue")),
        ("size", int, 3, ()),
        ("share", float, 0.5, ()),
        ("deep", bool, False, ()),
        ("steps", int, 8, ("8", "16")),
        ("file", Path, None, ()),
        ("word", str, "a", ()),
    ]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("toy:colour=green", "toy: colour='green' is not one of red, blue"),
        ("toy:steps=9", "toy: steps='9' is not one of 8, 16"),
        ("toy:size=big", "toy: size is int, not 'big'"),
        ("toy:share=half", "toy: share is float, not 'half'"),
        ("toy:deep=maybe", "toy: deep is true or false, not 'maybe'"),
        ("toy:colr=red", "toy has no option 'colr'; its options are colour, size, share, deep, steps, file, word"),
        ("toi", "unknown encoder 'toi'; choose from toy, or add pipeline/encoders/toi.py"),
        ("../toy", "unknown encoder '../toy'"),
        ("", "unknown encoder ''"),
    ],
)
def test_a_wrong_request_is_answered_with_the_choices(add: Callable, spec: str, sentence: str) -> None:
    add("toy", TOY)
    with pytest.raises(UsageError) as caught:
        plugins.build("encoders", spec)
    assert sentence in str(caught.value)


def test_what_a_spec_says_goes_before_what_is_given_beside_it(add: Callable) -> None:
    add("toy", TOY)
    made = plugins.build("encoders", "toy:size=7", size=5, word="b")
    assert (made["size"], made["word"]) == (7, "b")
    with pytest.raises(UsageError, match="has no option 'height'"):
        plugins.build("encoders", "toy", height=5)


def test_an_option_without_a_default_is_asked_for(add: Callable) -> None:
    add("needy", "from pipeline.plugins import Card\nCARD = Card('x')\ndef build(*, root: str): return root")
    with pytest.raises(UsageError, match="needy needs root: write needy:root=…"):
        plugins.build("encoders", "needy")
    assert plugins.build("encoders", "needy:root=a") == plugins.build("encoders", "needy", root="a") == "a"


def test_a_missing_library_is_named_and_harms_no_other_plugin(add: Callable) -> None:
    add("toy", TOY)
    add(
        "far",
        "from pipeline.plugins import Card\nCARD = Card('x', requires=('json', 'no_such_library'))\ndef build(): pass",
    )
    assert plugins.available("encoders") == ["far", "toy"]
    assert plugins.missing("encoders", "far") == "pip install no_such_library"
    assert plugins.missing("encoders", "toy") == ""
    with pytest.raises(UsageError, match="far needs a library that is not installed: pip install no_such_library"):
        plugins.build("encoders", "far")


def test_paths_in_a_spec_are_made_absolute_and_nothing_else_is(
    add: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("toy", TOY)
    monkeypatch.chdir(tmp_path)
    assert plugins.absolute("encoders", "toy") == "toy"
    made = plugins.absolute("encoders", "toy:file=here/x,word=here/x,size=2")
    assert plugins.parse(made)[1] == {"file": str(tmp_path / "here" / "x"), "word": "here/x", "size": "2"}
