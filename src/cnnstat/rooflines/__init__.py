"""How fast a device could run a step: its arithmetic and its traffic against the peaks."""
