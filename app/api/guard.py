"""Who asks, whether they may, how often and how much: before anything is read."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Message, Receive

from app.api.problems import Refused
from app.server import sign_in
from pipeline.access import tokens
from pipeline.access.tokens import Scope
from pipeline.settings import current, exposed

MAX_CALLERS = 10_000  # whose rates are remembered; who asked longest ago is forgotten first
BURST_SECONDS = 2.0  # so many seconds' worth may come at once


@dataclass(frozen=True)
class Caller:
    """name: of the token; "" for the person at this machine, who needs none."""

    name: str
    token: tokens.Token | None

    def may(self, scope: Scope) -> bool:
        return self.token is None or self.token.may(scope)


def is_on() -> bool:
    """Exposed only where SEMBLANCE_API says so; on one's own machine unless it says otherwise."""
    wanted = current().api
    return not exposed() if wanted is None else wanted


def caller(request: Request, scope: Scope) -> Caller:
    """Refused for whoever may not. A cookie counts for nothing: a page of another site could send it along."""
    if not is_on():
        raise Refused("off", "the API is off here; whoever runs this Semblance sets SEMBLANCE_API=1")
    known = tokens.read(current().home)
    given = request.headers.get("authorization", "")
    kind, _, token = given.partition(" ")
    if not given and not known and not exposed() and not sign_in.wanted():
        return Caller("", None)
    if not given:
        raise Refused("no-token", "send Authorization: Bearer TOKEN; `python -m pipeline tokens add NAME` makes one")
    found = tokens.find(known, token.strip()) if kind.lower() == "bearer" else None
    if found is None:
        raise Refused("no-token", "this token is unknown or was revoked; ask whoever runs this Semblance for another")
    if not found.may(scope):
        raise Refused("scope", f"this needs the scope {scope}, and the token {found.name} has {found.scope}")
    return Caller(found.name, found)


class Rates:
    """A bucket a caller that fills at `rate` a second (SEMBLANCE_API_RATE; 0: no limit)."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller to (left, when)
        self._lock = threading.Lock()

    def take(self, who: str, rate: float, *, now: float | None = None) -> None:
        """Refused with how many seconds to wait."""
        if rate <= 0:
            return
        now = time.monotonic() if now is None else now
        most = max(1.0, rate * BURST_SECONDS)
        with self._lock:
            left, when = self._buckets.pop(who, (most, now))
            left = min(most, left + (now - when) * rate)
            self._buckets[who] = max(left - 1, 0.0) if left >= 1 else left, now
            while len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        if left < 1:
            seconds = max(1, round((1 - left) / rate + 0.5))
            raise Refused("rate", f"at most {rate:g} requests a second; wait {seconds} s", Retry_After=str(seconds))


rates = Rates()


def limited(receive: Receive, request: Request, limit: int) -> Receive:
    """The body, of which no more than `limit` bytes are taken, whatever was said of its length."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdecimal() and int(said[:20]) > limit:
        raise _too_large(limit)
    come = 0

    async def counted() -> Message:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> Refused:
    return Refused("too-large", f"at most {limit / 1e6:,.1f} MB are taken here; send less at a time")
