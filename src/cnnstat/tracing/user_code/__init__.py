"""What the code of a model may do: read values, branch, compile, script, create layers."""
