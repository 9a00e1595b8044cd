"""One file adds one format: `matches(source)`, `read(source, pictures=, truth=)` and `write(annotations, target)`."""
