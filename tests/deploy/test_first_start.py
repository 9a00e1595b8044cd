"""The scripts of deploy/: a password made once, given to Milvus, handed to commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import entry, healthy, password
from pipeline import ROOT
from pipeline.errors import StoreError
from pipeline.stores import _password


def test_a_password_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "secret" / "milvus-root"
    first = password.made(file)
    assert password.made(file) == first == password.kept(file)
    assert len(first) > 40
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(("text", "fault"), [(None, "there is no password"), ("short", "cut short"), ("", "cut short")])
def test_a_password_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, fault: str) -> None:
    if text is not None:
        (tmp_path / "p").write_text(text)
    with pytest.raises(SystemExit, match=fault):
        entry.environment({password.VARIABLE: str(tmp_path / "p")})


def test_the_entry_becomes_its_command_with_the_token(tmp_path: Path) -> None:
    made = password.made(tmp_path / "p")
    show = [sys.executable, "-c", "import os; print(os.environ['SEMBLANCE_MILVUS_TOKEN'])"]
    given = os.environ | {password.VARIABLE: str(tmp_path / "p")}
    command = [sys.executable, "-m", "deploy.entry", *show]
    assert subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True).stdout == (
        f"root:{made}\n"
    )


def server(monkeypatch: pytest.MonkeyPatch, *taken: str) -> set[str]:
    """A Milvus that takes these passwords, until one is changed; "*" is any."""
    passwords = set(taken)
    monkeypatch.setattr(_password, "answers", lambda uri, given, **_: "*" in passwords or given in passwords)

    def change(uri: str, new: str) -> None:
        passwords.clear()
        passwords.add(new)

    monkeypatch.setattr(_password, "_change", change)
    return passwords


def secure(new: str = "ours") -> bool:
    return _password.secure("http://m:1", new, wait=1, tell=print)


def test_the_first_password_is_changed_and_a_second_start_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = server(monkeypatch, _password.FIRST)
    assert secure() is True
    assert passwords == {"ours"}
    assert secure() is False


@pytest.mark.parametrize(("taken", "fault"), [("someone's", "takes neither"), ("*", "takes any password")])
def test_a_server_that_is_not_ours_or_open_is_an_error(monkeypatch: pytest.MonkeyPatch, taken: str, fault: str) -> None:
    server(monkeypatch, taken)
    with pytest.raises(StoreError, match=fault):
        secure()


def test_a_server_that_never_answers_is_told_of_in_time() -> None:
    with pytest.raises(StoreError, match="did not answer within"):
        _password.answers("http://127.0.0.1:9", "x", wait=0.1, tell=print)


def test_an_app_that_is_not_there_is_not_healthy() -> None:
    with pytest.raises(SystemExit) as ended:
        healthy.main("http://127.0.0.1:9/readyz")
    assert ended.value.code not in (0, None)
