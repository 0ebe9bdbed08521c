"""Serial devices of a cluster behind small protocols."""
