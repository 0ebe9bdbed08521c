"""The phrase bank: what a local announcer recorded once, and bulletins put together from it."""
