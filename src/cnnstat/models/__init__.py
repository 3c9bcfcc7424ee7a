"""From the text that names a model to the model: zoo names and saved analyses."""
