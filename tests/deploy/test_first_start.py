"""The scripts of deploy/: a password made once, given to Milvus, handed to commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gallery import run

from deploy import first_start, healthy
from pipeline.errors import StoreError, UsageError
from pipeline.settings import Settings, password_in
from pipeline.stores import _password


def test_a_password_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "secret" / "milvus-root"
    first = first_start.password_made(file)
    assert first_start.password_made(file) == first == password_in(file)
    assert len(first) > 40
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(("text", "fault"), [(None, "there is no password"), ("short", "cut short"), ("", "cut short")])
def test_a_password_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, fault: str) -> None:
    if text is not None:
        (tmp_path / "p").write_text(text)
    with pytest.raises(UsageError, match=fault):
        password_in(tmp_path / "p")


def test_milvus_is_asked_with_the_password_of_the_file_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEMBLANCE_MILVUS_TOKEN", raising=False)
    assert Settings().token == ""
    monkeypatch.setenv("SEMBLANCE_MILVUS_PASSWORD_FILE", str(tmp_path / "p"))
    made = first_start.password_made(tmp_path / "p")
    assert Settings().token == f"root:{made}"
    monkeypatch.setenv("SEMBLANCE_MILVUS_TOKEN", "me:mine")
    assert Settings().token == "me:mine", "what is said outright counts"


def test_a_command_without_its_password_says_so_in_one_line(home: Path, tmp_path: Path) -> None:
    env = {"SEMBLANCE_MILVUS_URI": "http://127.0.0.1:9", "SEMBLANCE_MILVUS_PASSWORD_FILE": str(tmp_path / "gone")}
    done = run("doctor", env=env)
    assert "first-start makes it" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


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
