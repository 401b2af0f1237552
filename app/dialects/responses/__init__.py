"""OpenAI's Responses, which xAI and OpenRouter speak too."""
