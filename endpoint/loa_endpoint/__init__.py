"""The agent in each loudspeaker cluster."""
