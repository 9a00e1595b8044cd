"""What the whole process shares: the store, encoders, jobs, routes, sign-in, limits."""
