"""Opens pages of the app on $SEMBLANCE_HOME and prints what each shows: `python -m tests.old_home.visit VISITS`.

A process of its own, so that the store that the pages open is closed with it, and no test knows who opened it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from streamlit.testing.v1 import AppTest

from pipeline import ROOT

MAIN = str(ROOT / "app" / "main.py")


def visit(page: str, address: dict[str, str]) -> dict[str, Any]:
    """title, text (all that can be read), tables (rows as objects), components (what ours were given)."""
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    app.switch_page(f"views/{page}.py")
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    kinds = (app.markdown, app.text, app.caption, app.info, app.warning, app.error, app.success, app.exception)
    return {
        "title": [title.value for title in app.title],
        "text": "\n".join(
            [*(one.value for kind in kinds for one in kind), *(one.proto.body for one in app.get("html"))]
        ),
        "alerts": [one.value for kind in (app.warning, app.error, app.exception) for one in kind],
        "tables": [json.loads(one.value.to_json(orient="records")) for one in app.dataframe],
        "components": [json.loads(one.proto.json) for one in app.get("bidi_component") if one.proto.json],
        "charts": [json.loads(one.proto.spec)["layout"]["title"].get("text") for one in app.get("plotly_chart")],
    }


if __name__ == "__main__":
    print(json.dumps([visit(page, address) for page, address in json.loads(sys.argv[1])]))
