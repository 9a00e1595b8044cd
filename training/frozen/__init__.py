"""A last layer for a backbone that stays as it is: its features are computed once and kept, all else takes minutes."""
