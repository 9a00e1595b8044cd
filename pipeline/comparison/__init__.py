"""Encoders, indexes and embedding sizes measured against each other on one gallery."""
