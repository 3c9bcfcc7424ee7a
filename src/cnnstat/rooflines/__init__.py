"""Lower bounds on the time of a step on a device, from its arithmetic and memory traffic."""
