"""Numbers about pictures and embeddings that need no network: hashes, colour, alignment, principal components."""
