"""HEIC photos, as telephones take them: opened when the package pillow-heif is installed, refused with that word otherwise."""

from __future__ import annotations

import functools

REMEDY = "export it as JPEG, or install pillow-heif where this runs: pip install pillow-heif"


@functools.cache
def is_there() -> bool:
    """Whether Pillow opens HEIF now; the first call teaches it. One thread a picture: the sandbox starts none."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.register_heif_opener()
    return True
