"""Training a model for real, and measuring it.

`datasets` and `batches` bring the images, `building` the model, `placing` the device; `loop` is the
training itself, read from top to bottom, and yields what happened; `clock`, `readings` and `folder`
make numbers, records and files of it. `measuring` puts them together.
"""
