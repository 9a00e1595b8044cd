"""An exported HTML page as tests read it: what it says, the pictures in it, and what no such page may hold."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = '<img src=x onerror=alert(1)> & "quoted" \''


class Page(HTMLParser):
    """Tags, addresses of pictures and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[str] = []
        self.said: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.said.append(data.strip())

    def faults(self) -> list[str]:
        """Anything that runs, or is loaded from elsewhere."""
        found = [f"a tag {tag}" for tag in {"script", "link", "iframe", "object", "a"} & set(self.tags)]
        found += [f"{name}={value}" for name, value in self.attributes if name.startswith("on") or name == "href"]
        found += [one[:60] for one in self.pictures if not one.startswith("data:image/jpeg;base64,")]
        policy = ("http-equiv", "Content-Security-Policy") in self.attributes
        return found + ([] if policy else ["no Content-Security-Policy"])
