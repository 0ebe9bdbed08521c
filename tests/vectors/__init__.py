"""Conformance vectors (a folder a case) and what writes them."""
