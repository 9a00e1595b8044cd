"""Semblance's pipeline: pictures in, embeddings kept, nearest pictures out."""

__version__ = "0.1.0"
