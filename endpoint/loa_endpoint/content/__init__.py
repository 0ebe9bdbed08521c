"""Fetching signed objects and media into the cache."""
