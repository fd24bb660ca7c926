"""The HTTP service: requests in, job rows and files out. Knows nothing of any framework."""
