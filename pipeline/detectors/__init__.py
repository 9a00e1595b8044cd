"""Plugins that find the objects in a picture."""
