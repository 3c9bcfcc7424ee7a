"""What a device will need, told before anything runs on it."""
