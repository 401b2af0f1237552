"""What administrators have made, as one document: carried out of a gateway and into another, without secrets and without logs."""
