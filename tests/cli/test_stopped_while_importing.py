"""A Ctrl-C that falls into the making of a class is told by Python before 3.12 as a RuntimeError."""

from __future__ import annotations

import pytest
import typer

from pipeline.cli import console


@pytest.mark.parametrize(
    ("cause", "code", "said"),
    [(KeyboardInterrupt(), 130, "stopped; what was committed is kept"), (MemoryError(), 1, "error: not enough memory")],
)
def test_it_ends_in_a_sentence(
    cause: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verb() -> None:
        if isinstance(cause, MemoryError):
            raise cause
        raise RuntimeError("Error calling __set_name__") from cause

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(verb)
    monkeypatch.setattr("sys.argv", ["pipeline"])
    with pytest.raises(SystemExit) as end:
        console.run(app, stopped="stopped; what was committed is kept")
    assert end.value.code == code
    assert capsys.readouterr().err.startswith(said)


def test_another_fault_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def verb() -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("sys.argv", ["pipeline"])
    with pytest.raises(RuntimeError, match="ours"):
        console.run(app)
