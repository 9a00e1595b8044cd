"""What an agent gives, as the API takes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from pipeline.errors import UsageError


def decoded(picture: str) -> list[bytes]:
    import base64
    import binascii

    try:
        return [base64.b64decode(picture.rpartition(",")[2], validate=True)] if picture else []
    except (binascii.Error, ValueError):
        raise UsageError("the picture cannot be read; give the base64 of its file") from None


def query_of(**asked: Any) -> str:
    return "?" + urlencode({name: value for name, value in asked.items() if value}, doseq=True, errors="surrogatepass")
