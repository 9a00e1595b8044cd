"""The Hard cases page: from a detector's failures to pictures worth labelling."""
