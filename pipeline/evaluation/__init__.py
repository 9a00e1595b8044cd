"""How well a gallery answers: figures, gates for releases, the report as one page."""
