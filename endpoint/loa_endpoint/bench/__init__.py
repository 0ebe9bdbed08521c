"""The bench: how a blank board is given its place, over a serial line."""
