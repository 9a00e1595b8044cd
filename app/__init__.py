"""The Streamlit app: pages read widgets, call one function of pipeline and draw."""

from pathlib import Path

COMPONENTS = Path(__file__).parent / "components"  # style sheets, scripts and pictures of the pages
VIEWS = Path(__file__).parent / "views"
