"""What failed in a model that does not run, why, and which edits make it run."""
