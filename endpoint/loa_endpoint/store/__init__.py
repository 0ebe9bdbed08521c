"""What must survive a power cut: the outbox, serial state, keys."""
