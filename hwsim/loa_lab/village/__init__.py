"""A whole village, told with real processes in two minutes."""
