"""The Search page: the query, its panel, and what explains the hits."""
