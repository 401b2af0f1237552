"""What administrators do over HTTP, below `/admin/api`."""
