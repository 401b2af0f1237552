"""Smart models: which there are, looked up in memory, and managed."""
