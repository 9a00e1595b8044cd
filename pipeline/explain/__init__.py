"""Why two pictures are similar: heat maps over both."""
