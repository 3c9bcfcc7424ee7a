"""What a training run measured: records, and the statistics that are derived from raw times."""
