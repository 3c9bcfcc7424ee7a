"""Models exported with torch.export: the JSON of the archive is read, the weights are not."""
