"""Files under their SHA-256."""
