"""The only code of the agent that touches samples; runs in the player process."""
