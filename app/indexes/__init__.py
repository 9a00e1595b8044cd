"""The Indexes page: index structures compared on one gallery."""
