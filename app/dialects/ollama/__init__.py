"""Ollama's own API: /api/chat, /api/generate and what stands around them."""
