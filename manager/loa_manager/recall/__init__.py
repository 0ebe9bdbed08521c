"""Recalls: what a pole has said comes back, is checked against its records, and is joined."""
