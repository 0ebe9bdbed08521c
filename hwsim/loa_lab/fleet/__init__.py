"""A fleet of virtual endpoints in one process: real protocol and keys, no sound and no disk."""
