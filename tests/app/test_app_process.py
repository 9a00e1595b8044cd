"""The app as a process: when it says that it is ready, what it logs, and how it ends."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace

import pytest
from exposed_app import free_port
from tiny_gallery import fill, lite, photos, process

from app.server import encoders, readiness, store
from pipeline.stores.milvus import holder


@contextlib.contextmanager
def running_app() -> Iterator[tuple[str, Popen[str]]]:
    port = free_port()
    with process(sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)) as child:
        yield f"http://127.0.0.1:{port}", child


def ask(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def until_ready(address: str, child: Popen[str]) -> dict:
    """Waits as a load balancer does; pytest ends the test when it never becomes ready."""
    while True:
        assert child.poll() is None, child.communicate()
        with contextlib.suppress(OSError):  # not there yet, or slower than ten seconds
            code, body = ask(f"{address}/readyz")
            if code == 200:
                return json.loads(body)
            assert code == 503
            assert not json.loads(body)["ready"]
        time.sleep(0.1)


def test_the_app_is_ready_when_store_encoder_and_disk_are_and_ends_with_everything_closed(
    home: Path, tmp_path: Path
) -> None:
    with lite() as store:
        fill(photos(tmp_path / "photos", 5), store)
    with running_app() as (address, child):
        assert until_ready(address, child) == {"ready": True, "store": True, "encoder": True, "disk": True}
        assert holder(home / "milvus.db")
        code, metrics = ask(f"{address}/_stcore/metrics")
        assert code == 200
        assert "# TYPE" in metrics
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=200)
    assert child.returncode == -signal.SIGTERM  # uvicorn ends what is open, then lets the signal have its way
    assert "Traceback" not in out + err
    assert str(tmp_path) not in err
    assert not holder(home / "milvus.db")
    said = [json.loads(line)["event"] for line in (home / "logs" / "app.jsonl").read_text().splitlines()]
    assert said[0] == "start"
    assert said[-1] == "stop"
    assert "sync" in said


def test_a_demo_that_is_terminated_takes_the_app_with_it(home: Path, tmp_path: Path) -> None:
    with lite() as store:
        fill(photos(tmp_path / "photos", 5), store)
    port = free_port()
    code = f"import sys; from pipeline.cli.commands.demo import serve; sys.exit(serve({port}))"
    with process(sys.executable, "-c", code) as child:
        until_ready(f"http://127.0.0.1:{port}", child)
        child.terminate()
        child.communicate()  # ends when the app has let go of the pipe too
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(f"http://127.0.0.1:{port}/readyz")
    assert not holder(home / "milvus.db")


def test_without_milvus_the_app_is_not_ready_and_serves_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("SEMBLANCE_MILVUS_TOKEN", "root:geheim")
    with running_app() as (address, child):
        while ask_quietly(f"{address}/_stcore/health") != 200:
            assert child.poll() is None
            time.sleep(0.1)
        code, body = ask(f"{address}/readyz")
        assert code == 503
        assert json.loads(body)["store"] is False
        assert "127.0.0.1:9" not in body
        assert "geheim" not in body
        assert ask(address)[0] == 200


def ask_quietly(address: str) -> int:
    try:
        return ask(address)[0]
    except urllib.error.URLError:
        return 0


def test_an_embedded_file_that_was_taken_away_is_not_ready(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "warm", lambda: True)
    try:
        assert readiness.ready(None).status_code == 200  # type: ignore[arg-type]
        shutil.move(home / "milvus.db", home / "elsewhere")
        answer = readiness.ready(None)  # type: ignore[arg-type]
        shutil.move(home / "elsewhere", home / "milvus.db")
    finally:
        store.release()
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body))["store"] is False


def test_a_disk_with_little_left_is_not_ready(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "warm", lambda: True)
    try:
        assert readiness.ready(None).status_code == 200  # type: ignore[arg-type]
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=readiness.DISK_BYTES - 1))
        answer = readiness.ready(None)  # type: ignore[arg-type]
    finally:
        store.release()
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {"ready": False, "store": True, "encoder": True, "disk": False}
