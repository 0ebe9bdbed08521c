"""The MQTT session and the way records leave the board."""
