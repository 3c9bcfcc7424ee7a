"""What a step takes at least on a device: its arithmetic and its traffic against the peaks."""
