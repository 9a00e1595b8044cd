"""A stranger's bytes become an upright RGB picture, its thumbnail and its regions, and nothing worse."""
