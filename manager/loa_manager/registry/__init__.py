"""The registry: units, stations, clusters, and the money that paid for them."""
