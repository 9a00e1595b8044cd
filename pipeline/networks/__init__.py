"""Torch modules and how their weights are read; encoders and training are built from them."""
