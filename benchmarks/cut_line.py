"""A TCP proxy in front of a server that can stop passing bytes on, as a broken network does: nobody is told."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class CutLine:
    """with CutLine("http://127.0.0.1:19530") as line: … line.uri … line.cut() … line.mend()

    While cut, what was connected stays connected and hears nothing, and who connects is taken and hears nothing.
    """

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 19530)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._whole = threading.Event()
        self._whole.set()
        self._ended = False
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def __enter__(self) -> CutLine:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        self._whole.set()
        self._thread.join()

    def _pass_on(self) -> None:
        other: dict[socket.socket, socket.socket] = {}
        with selectors.DefaultSelector() as ready, self._listener:
            ready.register(self._listener, selectors.EVENT_READ)
            while not self._ended:
                for key, _ in ready.select(0.05):
                    self._whole.wait()
                    if key.fileobj is self._listener:
                        self._connect(ready, other)
                        continue
                    one = key.fileobj
                    assert isinstance(one, socket.socket)
                    if one not in other:  # its partner has ended in this round
                        continue
                    data = b""
                    with contextlib.suppress(OSError):
                        data = one.recv(1 << 16)
                    try:
                        other[one].sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        for end in (one, other.pop(one)):
                            other.pop(end, None)
                            ready.unregister(end)
                            end.close()
            for end in other:
                end.close()

    def _connect(self, ready: selectors.BaseSelector, other: dict[socket.socket, socket.socket]) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        other[client], other[server] = server, client
        ready.register(client, selectors.EVENT_READ)
        ready.register(server, selectors.EVENT_READ)
