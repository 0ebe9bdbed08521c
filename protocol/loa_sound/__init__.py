"""Loudness and other measures of sound, used by player and publisher alike."""
