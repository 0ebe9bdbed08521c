"""Speaking live, and relaying somebody else's stream: from sound to sealed chunks at the server."""
