"""Loudness and other measures of sound, used by player and publisher alike.

Everything here works on what a horn plays: mono float32 at 48 kHz, in blocks of 20 ms. Reads the
files it is handed, and does no other input or output.
"""
