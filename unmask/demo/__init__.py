"""Virtual cameras for a newcomer: one public-domain face, untouched and manipulated, played as live video."""
