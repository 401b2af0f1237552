"""What a call through the gateway costs, measured on loopback beside other gateways."""
