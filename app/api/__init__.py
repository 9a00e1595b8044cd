"""The HTTP API: typed questions in, typed answers out, each by the function that answers the page of its name."""
