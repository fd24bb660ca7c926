"""Bodies as they arrive: streamed to disk, hashed on the way, bounded."""
