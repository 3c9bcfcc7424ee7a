"""The speed of inference, measured: latency and throughput, over a grid of settings.

`subject` has one model on its device in one precision, `measuring` times the subjects in turns and
`samples` computes the figures from the times.
"""
