"""A visitor without a browser: Streamlit's own websocket and upload protocol, enough to load the app and to check it.

It keeps the pace of a page that is open: fragments that ask to be run every few seconds are run while it thinks.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
FINE = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}


class VisitError(Exception):
    """The app did not do what a visitor expects: an exception on the page, a closed socket, no end of a run."""


@dataclass
class Answer:
    """What one run of the script sent."""

    elements: list[Any] = field(default_factory=list)  # streamlit.proto.Element_pb2.Element, in their order

    def components(self, name: str) -> list[dict[str, Any]]:
        """The data of our components of that name, such as `results_grid`."""
        found = [one.bidi_component for one in self.elements if one.WhichOneof("type") == "bidi_component"]
        return [json.loads(one.json) for one in found if one.component_name == f"semblance_{name}"]

    def hits(self) -> list[str]:
        """Ids of the scored pictures on the page, best first; an example has no score."""
        return [tile["id"] for grid in self.components("results_grid") for tile in grid["tiles"] if "score" in tile]

    def texts(self) -> list[str]:
        return [one.markdown.body for one in self.elements if one.WhichOneof("type") == "markdown"]


class Visitor:
    """One session. `address`: http://HOST:PORT. Raises VisitError where a visitor would be disappointed."""

    def __init__(self, address: str, *, timeout: float = 60.0) -> None:
        self._address, self._timeout = address, timeout
        jar = http.cookiejar.CookieJar()
        self._http = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self._http.open(f"{address}/_stcore/health", timeout=timeout).close()
        self._xsrf = next(cookie.value or "" for cookie in jar if cookie.name == "_streamlit_xsrf")
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
        self._open = contextlib.ExitStack()
        connecting = connect(
            address.replace("http", "ws", 1) + "/_stcore/stream",
            origin=Origin(address),
            subprotocols=[Subprotocol("streamlit"), Subprotocol(self._xsrf)],
            additional_headers={"Cookie": cookies},
            open_timeout=timeout,
            max_size=None,
            proxy=None,
        )
        self._socket = self._open.enter_context(connecting)
        self.query = ""  # the page's address as the app has rewritten it
        self._pages: dict[str, str] = {}  # path in the address to the page's hash
        self._page = ""
        self._uploader = ""  # id of the file uploader that is on the page
        self._every: dict[str, tuple[float, float]] = {}  # fragment to its interval and when it is next due

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def asked(self, name: str) -> list[str]:
        """Values of a parameter of the page's address."""
        return parse_qs(self.query).get(name, [])

    def open(self, query: str = "", *, page: str = "") -> Answer:
        """Go to a page by its path ('' = search) with the query of its address."""
        self._every.clear()
        self.query, self._page = query, self._pages.get(page, "")
        message = BackMsg()
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.page_name = "" if self._page else page
        return self._run(message)

    def upload(self, name: str, data: bytes) -> Answer:
        """Hand a picture to the page's file uploader: ask where to put it, put it there, run."""
        request = uuid.uuid4().hex
        message = BackMsg()
        message.file_urls_request.request_id = request
        message.file_urls_request.file_names.append(name)
        self._socket.send(message.SerializeToString())
        while (answer := self._receive(time.monotonic() + self._timeout)).file_urls_response.response_id != request:
            pass
        urls = answer.file_urls_response.file_urls[0]
        self._put(urls.upload_url, name, data)
        message = BackMsg()
        message.rerun_script.page_script_hash = self._page
        widget = message.rerun_script.widget_states.widgets.add(id=self._uploader)
        file = widget.file_uploader_state_value.uploaded_file_info.add(name=name, size=len(data))
        file.file_id = urls.file_id
        file.file_urls.CopyFrom(urls)
        return self._run(message)

    def change(self, fill: Mapping[str, Callable[[Any], None]]) -> Answer:
        """Run the page with these states of its widgets: id to what fills its WidgetState."""
        message = BackMsg()
        message.rerun_script.page_script_hash = self._page
        for widget, filled in fill.items():
            filled(message.rerun_script.widget_states.widgets.add(id=widget))
        return self._run(message)

    def think(self, seconds: float) -> None:
        """Look at the page for a while; its timed fragments go on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            fragment, (interval, due) = min(
                self._every.items(), key=lambda item: item[1][1], default=("", (seconds, until))
            )
            time.sleep(max(0.0, min(due, until) - time.monotonic()))
            if fragment and due <= time.monotonic():
                self._every[fragment] = interval, time.monotonic() + interval
                message = BackMsg()
                message.rerun_script.page_script_hash = self._page
                message.rerun_script.fragment_id = fragment
                message.rerun_script.is_auto_rerun = True
                self._run(message)

    def _put(self, path: str, name: str, data: bytes) -> None:
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + data + f"\r\n--{edge}--\r\n".encode()
        headers = {"X-Xsrftoken": self._xsrf, "Content-Type": f"multipart/form-data; boundary={edge}"}
        request = urllib.request.Request(self._address + path, body, headers, method="PUT")
        self._http.open(request, timeout=self._timeout).close()

    def _run(self, message: BackMsg) -> Answer:
        message.rerun_script.query_string = self.query
        self._socket.send(message.SerializeToString())
        until = time.monotonic() + self._timeout
        answer = Answer()
        while True:
            said = self._receive(until)
            kind = said.WhichOneof("type")
            if kind == "delta":
                self._take(said, answer)
            elif kind == "navigation":
                self._pages = {
                    "" if page.is_default else page.url_pathname: page.page_script_hash
                    for page in said.navigation.app_pages
                }
                self._page = said.navigation.page_script_hash
            elif kind == "page_info_changed":
                self.query = said.page_info_changed.query_string
            elif kind == "auto_rerun":
                interval = said.auto_rerun.interval
                self._every[said.auto_rerun.fragment_id] = interval, time.monotonic() + interval
            elif kind == "script_finished" and said.script_finished != EARLY:
                if said.script_finished not in FINE:
                    raise VisitError("the script did not end well")
                return answer

    def _take(self, said: ForwardMsg, answer: Answer) -> None:
        element = said.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception" or (kind == "alert" and element.alert.format == element.alert.ERROR):
            text = element.exception.message if kind == "exception" else element.alert.body
            raise VisitError(f"the page says: {' '.join(text.split())[:300]}")
        if kind == "file_uploader":
            self._uploader = element.file_uploader.id
        if kind:
            answer.elements.append(element)

    def _receive(self, until: float) -> ForwardMsg:
        try:
            data = self._socket.recv(timeout=max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise VisitError(f"no answer within {self._timeout:g} s") from None
        except ConnectionClosed as closed:
            raise VisitError(f"the app closed the connection: {closed}") from None
        message = ForwardMsg()
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        return message
