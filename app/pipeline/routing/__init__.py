"""How a router chooses: what it knows of a request, which candidates can take it, and the strategies."""
