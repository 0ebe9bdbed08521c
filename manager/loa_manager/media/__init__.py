"""The desk's own tools for sound: what is wrong with it, how it looks, how it sounds, speech."""
