"""Words inside pictures: read at an ingest or later, once each, kept while a gallery follows its files."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from tiny_gallery import SPEC, draw
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.gallery import ledgers
from pipeline.gallery.opening import open_gallery
from pipeline.images import ocr
from pipeline.settings import Settings

pytest.importorskip("rapidocr", reason="words inside pictures need rapidocr (requirements-dev.txt)")


@pytest.fixture(autouse=True)
def no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket, "create_connection", asked)


def sign(text: str, *, size: tuple[int, int] = (300, 120), height: int = 30, angle: int = 0) -> Image.Image:
    image = Image.new("RGB", size, "#556677")
    ImageDraw.Draw(image).text(
        (size[0] // 8, (size[1] - height) // 2), text, font=ImageFont.load_default(height), fill="white"
    )
    return image.rotate(angle, expand=True, fillcolor="#556677")


def ask(*words: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def words_of(name: str = "signs") -> dict[str, str]:
    """File name to the words of its picture; those without any are left out."""
    table = open_gallery(name, Settings()).table()
    said = {path: metadata.get("words", "") for path, metadata in zip(table["path"], table["metadata"], strict=True)}
    return {path: text for path, text in said.items() if text}


def test_words_are_read_turned_thin_and_small_and_of_nothing_there_are_none() -> None:
    for angle in (0, 20, 90, 180):
        assert ocr.read(sign("Summer sale", angle=angle)) == "Summer sale"
    assert ocr.read(sign("open", size=(60, 20), height=12)) == "open"
    assert ocr.read(sign("Size 38", size=(3000, 2000), height=200)) == "Size 38"
    for size in ((8, 8), (8, 5000), (5000, 8)):
        assert ocr.read(Image.new("RGB", size, "#556677")) == ""


def test_each_word_is_kept_once_and_whole_ones_up_to_the_limit() -> None:
    assert ocr.in_a_line(["SALE now", "sale Now 50%"]) == "SALE now 50%"
    words = [f"word{number:04d}" for number in range(100)]
    kept = ocr.in_a_line(words)
    assert len(kept) <= ocr.MAX_CHARACTERS < len(kept) + 1 + len(words[0])
    assert kept.split() == words[: len(kept.split())]


def test_an_ingest_reads_words_that_a_filter_finds_and_that_stay_with_their_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    draw(folder / "plain.png", 1)
    sign("Summer sale").save(folder / "sale.png")
    sign("Way out").save(folder / "exit.png")
    how = ("ingest", "signs", "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")
    assert "3 pictures read; 2 of 3 have words" in ask(*how, "--words")[1]
    assert words_of() == {"sale.png": "Summer sale", "exit.png": "Way out"}
    asked = ("search", "signs", str(folder / "exit.png"), "--where", "words~SALE", "--json")
    assert [hit["path"] for hit in json.loads(ask(*asked)[0])["hits"]] == ["sale.png"]

    (folder / "sale.png").rename(folder / "moved.png")
    sign("No entry").save(folder / "exit.png")  # edited in place
    out, err = ask(*how)
    assert "1 moved or renamed, 1 replaced by new bytes" in out
    assert "metadata" not in out
    assert "1 pictures read; 2 of 3 have words" in err
    assert words_of() == {"moved.png": "Summer sale", "exit.png": "No entry"}


def test_a_gallery_that_exists_is_read_once_goes_on_after_a_kill_and_forgets(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for text in ("apple", "banana", "cherry"):
        draw(folder / "plain.png", 1)
        sign(text).save(folder / f"{text}.png")
    how = ("ingest", "signs", "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")
    ask(*how)
    assert not words_of()
    gallery = open_gallery("signs", Settings())
    table = gallery.table()
    [apple] = table[table["path"] == "apple.png"]["id"]
    kept = gallery.root / ledgers.WORDS
    ledgers.write(kept, [(apple, "read before the kill")])
    kept.write_bytes(kept.read_bytes() + b"torn,lin")
    assert "3 pictures read; 3 of 4 have words" in ask("read-words", "signs", "--progress", "none")[0]
    assert words_of() == {"apple.png": "read before the kill", "banana.png": "banana", "cherry.png": "cherry"}
    assert not ledgers.damaged(kept)
    assert "0 pictures read" in ask("read-words", "signs", "--progress", "none")[0]
    (folder / "cherry.png").unlink()
    assert "3 pictures had some" in ask("read-words", "signs", "--off")[0]
    assert not words_of()
    assert "pictures read" not in ask(*how)[1]
    said = ask("read-words", "signs", "--progress", "none")[0]
    assert "3 pictures read; the files of 1 cannot be read now; 2 of 4 have words" in said
    assert words_of() == {"apple.png": "apple", "banana.png": "banana"}


def test_without_the_library_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw(tmp_path / "photos" / "plain.png", 1).parent
    how = ("ingest", "signs", "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")
    ask(*how, "--words")
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "rapidocr" else there(name, *more)
    )
    for words in (("read-words", "signs"), (*how, "--words")):
        assert ocr.CARD.install in str(CliRunner().invoke(app, list(words)).exception)
    draw(folder / "new.png", 2)
    out, err = ask(*how)  # the pictures come in all the same
    assert "1 added" in out
    assert ocr.CARD.install in err
