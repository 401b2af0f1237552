"""Whether two texts ask for the same: their canonical forms, and why they may not share an answer; no I/O."""
