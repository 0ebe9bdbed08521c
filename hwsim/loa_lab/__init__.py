"""Villages, attackers and weather: whole stories told with real processes."""
