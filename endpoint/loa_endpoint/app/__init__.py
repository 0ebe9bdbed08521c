"""Wiring: the one place of the agent that knows all its parts."""
