"""Ways in for programs: the tokens that open the HTTP API, and a client that speaks to it."""
