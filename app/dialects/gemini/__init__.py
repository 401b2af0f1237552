"""Google's Gemini API: generateContent and streamGenerateContent, v1beta (https://ai.google.dev/api/generate-content)."""
