"""How an augmentor helps: whom it asks what to look up, what that decides, and how it is gathered."""
