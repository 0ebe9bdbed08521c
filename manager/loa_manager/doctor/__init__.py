"""``loa doctor``: what is measured on the running system, and what the measures say."""
