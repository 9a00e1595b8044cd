"""A Milvus server's root password: waiting for a server that starts, and replacing the password it comes with."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from pipeline.errors import StoreError
from pipeline.stores._link import no_dotenv

FIRST = "Milvus"  # root's password on every new server, from Milvus' documentation
_NOBODYS = "not-root's-password"
_SECONDS = 10.0  # for one call; a server that starts may take a few to refuse
_SETTLING = 30.0  # a proxy keeps what it knew of a password for a moment
_REFUSALS = ("UNAUTHENTICATED", "auth check failure", "PERMISSION_DENIED")


def secure(uri: str, password: str, *, wait: float, tell: Callable[[str], None]) -> bool:
    """Make `password` root's at `uri`; whether it had to be changed. Run twice, it changes nothing the second time.

    wait: seconds for the server to answer at all; `tell` hears about it every 10 s.
    Raises StoreError when it does not answer, takes neither password, or asks for none.
    """
    if answers(uri, password, wait=wait, tell=tell):
        if answers(uri, _NOBODYS, wait=wait, tell=tell):
            raise StoreError(
                f"Milvus at {uri} takes any password; start it with common.security.authorizationEnabled: true "
                "(deploy/user.yaml)"
            )
        return False
    if not answers(uri, FIRST, wait=wait, tell=tell):
        raise StoreError(
            f"Milvus at {uri} takes neither the password that was kept nor its first one, so the two volumes are not of "
            "one installation; put the kept password back, or remove Milvus' volume: the galleries on disk fill a new one"
        )
    _change(uri, password)
    deadline = time.monotonic() + _SETTLING
    while not answers(uri, password, wait=wait, tell=tell):
        if time.monotonic() > deadline:
            raise StoreError(
                f"Milvus at {uri} said that it changed root's password, and refuses the new one; try again"
            )
        time.sleep(0.5)
    return True


def answers(uri: str, password: str, *, wait: float, tell: Callable[[str], None]) -> bool:
    """Whether root may come in with `password`, asked until the server answers at all. StoreError after `wait` s."""
    began = time.monotonic()
    told_at = began
    while True:
        try:
            with closing(_client(uri, password)) as client:
                client.list_collections(timeout=_SECONDS)
            return True
        except Exception as problem:  # pymilvus raises its own, bare grpc errors and ValueError
            text = (
                f"{problem} {problem.__cause__ or ''}"  # of a refusal at connecting, pymilvus says "server unavailable"
            )
            if any(sign in text for sign in _REFUSALS):
                return False
            now = time.monotonic()
            if now - began > wait:
                raise StoreError(
                    f"Milvus at {uri} did not answer within {wait:g} s; look at its log. The last it said: "
                    f"{' '.join(text.split())[:200]}"
                ) from problem
            if now - told_at >= 10:
                tell(f"waiting for Milvus at {uri}: {now - began:.0f} s")
                told_at = now
            time.sleep(min(1.0, wait))


def _change(uri: str, password: str) -> None:
    try:
        with closing(_client(uri, FIRST)) as client:
            client.update_password("root", FIRST, password, timeout=_SECONDS)
    except Exception as problem:
        raise StoreError(f"Milvus at {uri} did not change root's password: {problem}") from problem


def _client(uri: str, password: str) -> Any:
    import logging

    with no_dotenv():
        from pymilvus import MilvusClient

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints a stack for a refusal that we expect
    return MilvusClient(uri, token=f"root:{password}", timeout=_SECONDS, dedicated=True)
