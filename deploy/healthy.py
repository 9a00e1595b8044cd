"""The container's health: whether the app says that it and Milvus are ready. Exit 0 or 1."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8501/readyz"


def main(url: str = URL) -> None:
    try:
        with urllib.request.urlopen(url, timeout=8) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:2])
