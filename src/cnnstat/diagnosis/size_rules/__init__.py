"""The sizes that operators make, by rules on shapes alone: one for each kind of operator.

A rule takes the operator as it was recorded, the shapes that its operands have now, and the
settings of its layer if those are changed; it returns the shapes of the outputs.
"""
