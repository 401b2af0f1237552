"""Who calls, and whether they may: tokens, daily quotas, and the guard before every route."""
