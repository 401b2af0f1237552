"""Queries on monitors, and on what they found until it has been told."""
