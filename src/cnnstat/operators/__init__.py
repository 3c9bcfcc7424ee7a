"""What is known of each ATen operator: its cost, its window, what its outputs depend on."""
