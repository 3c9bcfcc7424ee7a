"""What a run holds in memory: at inference from its trace, in a training step from its storages."""
