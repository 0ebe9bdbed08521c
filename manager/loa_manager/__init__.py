"""The library with which a province runs its loudspeakers."""
