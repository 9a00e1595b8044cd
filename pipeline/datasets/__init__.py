"""Plugins that say where pictures come from."""
