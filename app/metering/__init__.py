"""What calls used: records, and where they go."""
