"""How a cache answers: what makes two calls the same, which answers are like it, which are kept, and which are checked."""
