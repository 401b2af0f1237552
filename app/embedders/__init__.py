"""What makes vectors of texts, for the semantic cache."""
