"""Plugins that keep a copy of a gallery that can be searched."""
