"""Small real things that many tests need."""
