"""What administrators do with providers, models and local servers, for the API and the commands."""
