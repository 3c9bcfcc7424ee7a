"""What a model consists of: modules, their tensors, and tensors in containers."""
