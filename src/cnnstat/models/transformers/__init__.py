"""Models of Hugging Face's transformers, built from a configuration: nothing is downloaded."""
