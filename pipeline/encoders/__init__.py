"""Plugins that turn a picture into an embedding."""
