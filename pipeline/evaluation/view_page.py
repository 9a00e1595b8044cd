"""A saved view of Evaluate as one HTML page: the figures of its measurements as a table, and where the first one fails."""

from __future__ import annotations

from pipeline.errors import UsageError
from pipeline.evaluation import report_page
from pipeline.evaluation.evaluate import KIND
from pipeline.gallery import reports, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView

MAX_QUERIES = 12


def page(gallery: Gallery, view: SavedView) -> str:
    """The measurements that the view names, those that are gone left out, else the newest one.

    UsageError for another section than Quality and where nothing was measured; GalleryError for a damaged report.
    """
    saved_views.exported_section(view)
    known = reports.names(gallery, KIND)
    wanted = ",".join(view.params.get("reports", ())).split(",")
    names = [name for name in dict.fromkeys(wanted) if name in known] or known[:1]
    if not names:
        raise UsageError(
            f"gallery {gallery.name} has no measurement yet; make one with: python -m pipeline evaluate {gallery.name}"
        )
    return report_page.page(gallery, names[0], gate={}, view=view.name, beside=names[1:], queries=MAX_QUERIES)
