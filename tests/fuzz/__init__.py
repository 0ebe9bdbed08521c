"""Fuzz targets: one module a parser, each with ``fuzz(data)`` that may raise only named errors."""
