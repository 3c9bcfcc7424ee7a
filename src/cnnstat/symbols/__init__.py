"""Integer expressions in symbols: exact arithmetic with a canonical form.

    h = symbol("H")
    (h - 11) // 4 + 1               ⌊(H−11)/4⌋+1
    ((h - 11) // 4 + 1 - 3) // 2    ⌊(H−19)/8⌋: nested divisions fold into one
    (h - 1) // 32 + 1               ⌈H/32⌉
    h + -h % 32                     32·⌈H/32⌉: padded up to a multiple

An `Expr` is a sum of products of symbols, ⌊a/b⌋, min and max with integer coefficients. A result
without symbols is a plain `int`. `str` gives the plain text, which is valid Python and is read back
by `parse`; `notation.py` formats expressions for reports. A symbol is an integer of at least 1.
"""
