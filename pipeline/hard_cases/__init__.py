"""Where a detector fails, and more unlabelled pictures like that: rounds of needles, shortlist, review and export."""
