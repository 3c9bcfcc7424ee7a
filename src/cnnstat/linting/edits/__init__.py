"""Edits of the source that mend a finding: each is planned from the places of a model.

A `Plan` returns None where the source is not as it expects; what it returns is shown as verified
only after a run with it (`linting/fixes.py`).

    layers.py       arguments of the calls that create layers, and the layers of a Sequential
    calls.py        calls in `forward`; views.py: permutations beside a view
    factories.py    tensors that `forward` creates: their device, their batch size
    statements.py   assignments, comments, a missing `return`
"""
