"""Providers that hold a request to the rules of their APIs."""
