"""What writes the vectors: fixed keys, fixed time, the same bytes on every machine.

Nothing here is imported from the tests' builders, so that a change there moves no vector.
"""
