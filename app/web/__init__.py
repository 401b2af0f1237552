"""Search and pages of the web, for augmentors; and the guard of addresses that others than the operator chose."""
