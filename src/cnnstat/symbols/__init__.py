"""Whole numbers that depend on letters: exact arithmetic, one form for equal values.

    h = letter("H")
    (h - 11) // 4 + 1               ⌊(H−11)/4⌋+1
    ((h - 11) // 4 + 1 - 3) // 2    ⌊(H−19)/8⌋: nested divisions fold into one
    (h - 1) // 32 + 1               ⌈H/32⌉
    h + -h % 32                     32·⌈H/32⌉: padded up to a multiple

An `Expr` is a sum of products of letters, ⌊a/b⌋, min and max with whole coefficients. What has no
letter left is a plain `int`. `str` gives the plain text, which is Python and which `parse` reads
back; how a person writes it is in `notation.py`. A letter stands for a whole number from 1.
"""
