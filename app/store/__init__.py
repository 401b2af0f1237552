"""What is kept: the only package that knows the database."""
