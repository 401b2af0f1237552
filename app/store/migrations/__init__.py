"""How the schema came to be, step by step, as Alembic revisions."""

HEAD = "0006"
"""The newest revision. It is said here so that a start can see that a database is current without importing Alembic."""

COPYING = "copying"
"""What stands in the place of a revision while the database is being copied into."""
