"""What administrators see and do of models, prices, providers, routers and settings, for the API and the commands."""
