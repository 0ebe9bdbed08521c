"""The agent in each loudspeaker cluster."""

# Read from here: asking the installed metadata for it costs a running agent 0.7 MB.
__version__ = "0.1.0"
