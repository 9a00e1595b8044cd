"""What people really give it: each ends in one sentence on stderr and the right exit code, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import ROOT, SPEC, draw, exact, fill, lite, photos, run
from typer.testing import CliRunner

from pipeline.__main__ import app, main
from pipeline.cli.commands import demo
from pipeline.gallery.opening import open_gallery
from pipeline.images import refused_formats
from pipeline.ingest import sync
from pipeline.settings import Settings


def told(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> tuple[int, str, str]:
    """`python -m pipeline WORDS` in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["pipeline", *map(str, words)])
    capsys.readouterr()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def ask(home: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    return lambda *words: told(capsys, monkeypatch, *words)


@pytest.fixture
def small(home: Path, tmp_path: Path) -> Path:
    """A gallery `small` of six pictures; returns their folder."""
    folder = photos(tmp_path / "photos", 6)
    with lite() as store:
        fill(folder, store)
    return folder


def one_sentence(err: str) -> None:
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in err


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_requests_that_are_wrong_end_with_2_and_failures_with_1(ask, small: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cup = small / "cup" / "000.png"
    gone = "0" * 32
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    cases = [
        (2, "no pictures found", ["ingest", "new", "--dataset", f"folder:root={tmp_path / 'empty'}"]),
        (2, "there is no such folder", ["ingest", "new", "--dataset", f"folder:root={tmp_path / 'nowhere'}"]),
        (2, "bad gallery name '../evil'", ["ingest", "../evil", "--dataset", f"folder:root={small}"]),
        (2, "bad gallery name '../evil'", ["search", "../evil", cup]),
        (1, "no gallery 'nothing' (there is: small)", ["search", "nothing", cup]),
        (1, "no gallery 'nothing' (there is: small)", ["drop", "nothing", "--yes"]),
        (
            2,
            "unknown encoder 'resnet51'; choose from checkpoint, color_histogram",
            ["ingest", "new", "--dataset", f"folder:root={small}", "--encoder", "resnet51"],
        ),
        (
            2,
            "no option 'bin'; its options are bins",
            ["ingest", "new", "--dataset", f"folder:root={small}", "--encoder", "color_histogram:bin=3"],
        ),
        (2, "unknown dataset 'floder'", ["ingest", "new", "--dataset", f"floder:root={small}"]),
        (2, "no option 'rot'", ["ingest", "new", "--dataset", f"folder:rot={small}"]),
        (2, "k is 0; choose 1 to 1,000", ["search", "small", cup, "-k", "0"]),
        (2, "k is 100000", ["search", "small", cup, "-k", "100000"]),
        (2, "nothing to search with", ["search", "small"]),
        (2, "cannot read filter 'shoes'", ["search", "small", cup, "--where", "shoes"]),
        (2, "no field 'lable'", ["search", "small", cup, "--where", "lable=cup"]),
        (2, "cannot read region", ["search", "small", cup, "--region", "1,2"]),
        (2, "exactly one picture", ["search", "small", cup, cup, "--region", "0,0,9,9"]),
        (1, f"no picture {gone}", ["search", "small", "--id", gone]),
        (1, "nowhere.png: there is no such file", ["search", "small", tmp_path / "nowhere.png"]),
        (
            1,
            "reencode small --encoder color_histogram:grid=16",
            ["search", "small", cup, "--encoder", "color_histogram:grid=16"],
        ),
        (
            1,
            "was made with",
            ["ingest", "small", "--dataset", f"folder:root={small}", "--encoder", "color_histogram:grid=16"],
        ),
        (2, "no folder", ["search", "small", cup, "--montage", tmp_path / "nowhere" / "x.png"]),
        (2, "say one of --encoder", ["reencode", "small"]),
        (2, "choose 2 to 5", ["reencode", "small", "--pca", "900"]),
        (1, "nothing was changed", ["remove", "small", "--ids", gone]),
        (2, "unknown ending", ["import", "new", cup]),
        (2, "cannot read", ["import", "new", torn]),
    ]
    for code, text, words in cases:
        found, out, err = ask(*words)
        assert (found, out) == (code, ""), words
        assert text in err, words
        one_sentence(err)
    assert sorted(path.name for path in (Settings().galleries).iterdir()) == ["small"]
    assert ask("verify", "small")[0] == 0


@pytest.mark.parametrize(
    "words",
    [["serach"], ["search"], ["search", "small", "--nonsense"], ["ingest", "x"], ["search", "small", "-k", "ten"]],
)
def test_a_misspelt_verb_or_option_ends_with_2(ask, words: list[str]) -> None:
    code, _, err = ask(*words)
    assert code == 2
    assert "Traceback" not in err


def test_files_that_are_no_pictures_are_listed_with_a_reason_each_and_odd_ones_work(
    ask, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "mixed"
    whole = draw(folder / "fine.jpg", 1).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[:-200])
    (folder / "text.jpg").write_text("hello")
    (folder / "huge.png").write_bytes(png_header(60_000, 60_000))
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.jpg").mkdir()
    secret = draw(folder / "secret.png", 2)
    secret.chmod(0)
    grey = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 60
    Image.fromarray(grey).save(folder / "deep.png")
    base = Image.open(draw(tmp_path / "base.png", 3))
    base.convert("CMYK").save(folder / "print.jpg")
    base.quantize(8).save(folder / "palette.png")
    clear = base.convert("RGBA")
    clear.putalpha(120)
    clear.save(folder / "clear.png")
    frames = [Image.open(draw(tmp_path / f"{i}.png", 10 + i)) for i in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    code, out, err = ask("ingest", "mixed", "--dataset", f"folder:root={folder}", "--encoder", SPEC)
    secret.chmod(0o644)
    readable = os.geteuid() == 0  # root reads everything
    assert code == 0
    assert f"{7 if readable else 6} added" in out
    for name, reason in {
        "cut.jpg": "damaged or cut short",
        "text.jpg": "not a picture in a known format",
        "huge.png": "megapixels and at most 50 are accepted",
        "drawing.svg": "an SVG drawing, which is not opened here; export it as PNG",
        "phone.heic": "damaged"
        if refused_formats.opens_heif()
        else "a HEIC photo, which is not opened here; export it as JPEG",
        "empty.png": "the file is empty",
    }.items():
        assert any(line.startswith(f"rejected {name}: ") and reason in line for line in err.splitlines()), name
    assert "Traceback" not in err
    assert ask("verify", "mixed")[0] == 0


@pytest.mark.parametrize("label", ['a "quoted" one', "{braces} [x]", "靴 스니커즈", "it's 100 % \\ back", "a,b"])
def test_any_folder_name_is_a_label_that_can_be_asked_for(ask, tmp_path: Path, label: str) -> None:
    folder = photos(tmp_path / "photos", 4, labels=(label, "other"))
    assert ask("ingest", "odd", "--dataset", f"folder:root={folder}", "--encoder", SPEC)[0] == 0
    escaped = label.replace("\\", "\\\\").replace(",", "\\,")
    code, out, err = ask("search", "odd", folder / "other" / "001.png", "--where", f"label={escaped}", "--json")
    assert (code, err) == (0, "")
    assert [hit["label"] for hit in json.loads(out)["hits"]] == [label, label]


@contextlib.contextmanager
def holding() -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the Lite file, as the running app does."""
    script = "import sys; from pipeline.ingest import sync; from pipeline.settings import Settings\n"
    script += "store = sync.open_store(Settings()); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def test_while_another_process_holds_milvus_lite_every_verb_says_what_it_can_do(ask, small: Path) -> None:
    truth = json.loads(ask("search", "small", small / "cup" / "000.png", "--json")[1])["hits"]
    with holding() as process:
        code, out, err = ask("search", "small", small / "cup" / "000.png", "--json")
        assert (code, json.loads(out)["hits"]) == (0, truth)
        assert err.startswith("answered exactly from the gallery's files, not by Milvus:")
        assert f"is held by process {process.pid}" in err
        code, out, err = ask("verify", "small")
        assert (code, out) == (0, "small: 6 rows, files only checked, nothing wrong\n")
        assert err.startswith("the index was not checked:")
        photos(small, 2, first=6)
        code, out, err = ask("ingest", "small", "--dataset", f"folder:root={small}", "--progress", "none")
        assert (code, "2 added" in out) == (0, True)
        assert "The pictures are committed; an open app brings its index up to date by itself" in err
        code, out, err = ask("remove", "small", "--ids", truth[0]["id"])
        assert code == 0
        assert "noted on disk" in err
        code, _, err = ask("drop", "small", "--yes")
        assert code == 1
        one_sentence(err)
        assert open_gallery("small", Settings()).count() == 7
    code, out, err = ask("search", "small", small / "cup" / "000.png", "--json", "-k", "20")
    assert "it is behind; python -m pipeline sync small" in err  # nobody synced: still a full answer
    assert len(json.loads(out)["hits"]) == 6
    assert ask("verify", "small")[0] == 1
    assert ask("sync", "small", "--progress", "none")[0] == 0
    assert ask("verify", "small")[0] == 0


def test_a_server_that_cannot_be_reached(ask, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = json.loads(ask("search", "small", small / "cup" / "000.png", "--json")[1])["hits"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", f"http://127.0.0.1:{port}")
    code, out, err = ask("search", "small", small / "cup" / "000.png", "--json")
    assert (code, json.loads(out)["hits"]) == (0, truth)
    assert f"not by Milvus: cannot reach Milvus at http://127.0.0.1:{port}" in err
    photos(small, 1, first=6)
    code, out, err = ask("ingest", "small", "--dataset", f"folder:root={small}", "--progress", "none")
    assert (code, "1 added" in out) == (1, True)
    assert "when Milvus is back: python -m pipeline sync small" in err
    assert ask("verify", "small")[0] == 1
    monkeypatch.delenv("SEMBLANCE_MILVUS_URI")
    assert ask("sync", "small", "--progress", "none")[0] == 0
    assert ask("verify", "small")[0] == 0


def test_a_damaged_part_is_one_sentence_from_every_verb(ask, small: Path) -> None:
    gallery = open_gallery("small", Settings())
    part = next(gallery.folder().glob("*.parquet"))
    content = part.read_bytes()
    part.write_bytes(content[:-100])
    for words in (
        ["sync", "small"],
        ["export", "small", str(small / "x.parquet")],
        ["galleries"],
        ["reencode", "small", "--encoder", "color_histogram"],
    ):
        code, out, err = ask(*words)
        assert code == 1, words
        assert "part-000000.parquet" in err
        assert len(err.strip().splitlines()) == 1
    code, out, err = ask("verify", "small")
    assert (code, len(out.splitlines()), "part-000000.parquet" in out) == (1, 1, True), out
    part.write_bytes(content)
    assert ask("verify", "small")[0] == 0


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo.free_port(port) > port
    assert demo.free_port(port) == port


def test_the_demo_says_which_port_it_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, home: Path
) -> None:
    monkeypatch.setattr(
        subprocess, "Popen", lambda *_, **__: contextlib.nullcontext(type("Ended", (), {"wait": lambda self: 0})())
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo.serve(port) == 0
    out, err = capsys.readouterr()
    assert f"port {port} is taken, using " in err
    assert "http://127.0.0.1:" in out


def test_a_home_that_cannot_be_written_is_one_sentence(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = photos(tmp_path / "photos", 1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEMBLANCE_HOME", str(tmp_path / "file" / "below"))
    code, _, err = ask("ingest", "one", "--dataset", f"folder:root={folder}")
    assert code == 1
    one_sentence(err)


def test_help_imports_nothing_heavy(home: Path) -> None:
    script = """
        import sys
        sys.argv = ["pipeline", "--help"]
        from pipeline.__main__ import main
        try:
            main()
        except SystemExit as end:
            assert end.code == 0
        heavy = {"torch", "torchvision", "timm", "pandas", "pymilvus", "milvus_lite", "streamlit", "sklearn", "pyarrow", "scipy"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=60
    )


def test_results_are_on_stdout_and_underscores_are_dashes(small: Path, tmp_path: Path) -> None:
    done = run("search", "small", small / "cup" / "000.png", "--keep_query", "-k", "3", "--montage", tmp_path / "m.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3
    assert "cup/000.png" in done.stdout.splitlines()[0]
    with Image.open(tmp_path / "m.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 1030)


def test_the_other_verbs_end_well(ask, small: Path, tmp_path: Path) -> None:
    gallery = open_gallery("small", Settings())
    picture = gallery.table()["id"][0]
    assert "6 pictures" in ask("galleries")[1]
    assert json.loads(ask("galleries", "--json")[1])[0]["rows"] == 6
    assert "color_histogram: " in ask("encoders")[1]
    assert "root=" in ask("datasets")[1]
    assert json.loads(ask("doctor", "--json")[1])["galleries"] == "small"
    assert "undo: python -m pipeline restore" in ask("remove", "small", "--ids", picture)[1]
    assert gallery.count() == 5
    assert "1 restored" in ask("restore", "small", "--ids", picture)[1]
    ask("remove", "small", "--ids", picture)
    assert "1 rows dropped" in ask("compact", "small", "--yes")[1]
    assert "5 rows written" in ask("export", "small", tmp_path / "x.parquet")[1]
    assert "5 rows imported" in ask("import", "again", tmp_path / "x.parquet", "--progress", "none")[1]
    trials = json.loads(
        ask("try-encoders", "small", "--encoder", SPEC, "--encoder", "nothing", "--json", "--progress", "none")[1]
    )
    assert trials[0]["pictures"] == 5
    assert trials[1]["error"].startswith("unknown encoder")
    assert ask("reencode", "small", "--encoder", "color_histogram:grid=4", "--progress", "none")[0] == 0
    assert ask("reencode", "small", "--back", "--progress", "none")[0] == 0
    assert "deleted" in ask("drop", "again", "--yes")[1]
    assert "pictures" in CliRunner().invoke(app, ["drop", "small"], input="n\n").output
    assert ask("verify", "small")[0] == 0
    assert not sync.compare(gallery, sync.exact_store(gallery))
    assert exact() is not None
