"""Sound that others send as they please: fetched over verified TLS, decoded, held until it is due.

Both rooms use it: the relay, which signs what it hears, and the endpoint where the policy lets it
play a stream that nobody signed. Nothing here decides whether a stream may sound.
"""
