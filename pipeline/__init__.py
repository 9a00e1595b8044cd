"""Semblance's pipeline: pictures in, embeddings kept, nearest pictures out."""

from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).parents[1]  # the folder that holds pipeline/, app/, training/ and models/
