"""Training a model for real, and measuring it.

`datasets` and `batches` provide the images, `trainable` the model, `fabric` the device and the
processes. `loop` is the training itself, read from top to bottom; it yields events, of which
`readings` makes records. `session` connects these for one model, `runner` saves what they yield in
the `folder` of the run and summarizes it, `job` runs all models.
"""
