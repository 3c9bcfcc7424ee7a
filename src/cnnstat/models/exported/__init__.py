"""Models exported with torch.export: the JSON of the archive is read, none of its weights is."""
