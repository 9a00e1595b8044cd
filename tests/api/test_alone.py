"""The API without pages: it answers to its own names, to others only with a token, and ends with whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from exposed_app import free_port
from tiny_gallery import ROOT, run

from pipeline.cli import servers


def started(port: int) -> str:
    """Python that starts the API, says its process id, and ends when it answers; the API is left behind."""
    return f"""
import os, subprocess, sys, time
from pipeline.cli import servers
environment = os.environ | servers.api_environment() | {{servers.WITH_PARENT: str(os.getpid())}}
child = subprocess.Popen(servers.api_command({port}), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
until = time.monotonic() + 60
while not servers.listens({port}) and child.poll() is None and time.monotonic() < until:
    time.sleep(0.1)
input()
"""


def test_it_refuses_foreign_names_and_ends_with_its_parent(home: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", started(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        int(parent.stdout.readline())
        until = time.monotonic() + 60
        while not servers.listens(port):
            assert time.monotonic() < until
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port}/api/v1/galleries"
        assert urllib.request.urlopen(address, timeout=20).status == 200
        foreign = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=20)
        page = urllib.request.Request(address, b"{}", {"Origin": "http://evil.example", "Content-Type": "text/plain"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(page, timeout=20)
        parent.kill()
    until = time.monotonic() + 30
    while servers.listens(port):
        assert time.monotonic() < until, "it goes on, held by nobody"
        time.sleep(0.2)


@pytest.mark.parametrize(("words", "environment"), [(["--bind", "0.0.0.0"], {}), ([], {"SEMBLANCE_EXPOSED": "1"})])
def test_others_are_answered_only_when_there_is_a_token(
    home: Path, words: list[str], environment: dict[str, str]
) -> None:
    done = run("serve", *words, env=dict(os.environ) | environment)
    assert (done.returncode, "tokens add" in done.stderr) == (2, True)


def test_tokens_are_made_listed_and_revoked_on_the_command_line(home: Path) -> None:
    token = run("tokens", "add", "shop", "--scope", "write").stdout.strip()
    assert token.startswith("sem_")
    listed = run("tokens", "list").stdout
    assert "shop" in listed
    assert "write" in listed
    assert token not in listed
    assert run("tokens", "add", "shop").returncode == 2
    assert run("tokens", "add", "other", "--scope", "all").returncode == 2
    assert run("tokens", "revoke", "shop").returncode == 0
    assert run("tokens", "revoke", "shop").returncode == 2
