"""From a week's schedule in an officer's own words to a signed playlist in the content tree."""
