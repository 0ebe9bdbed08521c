"""Simulated devices: a program at the other end of a line, and pure models."""
