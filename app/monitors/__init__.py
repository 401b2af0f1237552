"""Monitors: watches on the web at Parallel AI, what their webhooks tell, and how users get it."""
