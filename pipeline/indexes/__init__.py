"""Structures that find the nearest embeddings, one file each, to be compared with one another."""
