"""The pages of the gateway: the administrators' dashboard, and those for everybody."""
