"""Bytes that a page's script made for its browser, by an address that names their content; the oldest go first."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import Response

MOST = 256 << 20  # bytes held
_held: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


def publish(data: bytes) -> str:
    """The address that answers with these bytes. Nobody can guess it who has not the bytes."""
    name = hashlib.sha256(data).hexdigest()[:32]
    with _lock:
        _held[name] = data
        _held.move_to_end(name)
        while len(_held) > 1 and sum(map(len, _held.values())) > MOST:
            _held.popitem(last=False)
    return f"/app/static/blobs/{name}.bin"


def blob(request: Request) -> Response:
    """What was published under this name; 404 for anything else."""
    with _lock:
        data = _held.get(request.path_params["name"])
    if data is None:
        return Response(status_code=404)
    headers = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)
