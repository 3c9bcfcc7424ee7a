"""How models differ, and why."""
