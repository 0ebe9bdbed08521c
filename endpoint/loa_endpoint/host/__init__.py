"""The machine the agent lives on: service manager, clocks, the local status socket."""
