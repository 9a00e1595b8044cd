"""An encoder that learns a gallery's own labels: a head in seconds, or the whole network."""
