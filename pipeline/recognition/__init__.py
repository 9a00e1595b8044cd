"""The same or not: thresholds for pairs, identities enrolled from a few pictures, and who a picture shows."""
