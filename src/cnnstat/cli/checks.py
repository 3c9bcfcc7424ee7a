"""What `--strict` and `verify` demand of a result: exit status 3 where it does not hold."""

from __future__ import annotations

from ..analysis.results import Analysis
from ..errors import CheckError
from ..rooflines.results import Roofline
from ..units import format_difference
from ..verification.results import Verification


def require_agreement(verification: Verification) -> None:
    """Raise CheckError if a difference to a referee is not explained."""
    details = []
    for referee in verification.disagreeing:
        figures = {"parameters": referee.params_unexplained, "MACs": referee.macs_unexplained}
        amounts = [f"{format_difference(n)} {name}" for name, n in figures.items() if n]
        layers = [layer.path or "the model itself" for layer in referee.layers if layer.unexplained]
        where = f", in {', '.join(layers[:3])}{' …' if len(layers) > 3 else ''}" if layers else ""
        details.append(f"{referee.name}: {' and '.join(amounts) or 'in layers only'}{where}")
    if details:
        raise CheckError(
            f"{verification.ours.model.spec}: a difference is left that is not explained", *details
        )


def require_exact(*analyses: Analysis) -> None:
    """Raise CheckError if any total is a lower bound."""
    for analysis in analyses:
        totals = analysis.totals
        if not totals.exact or totals.backward_uncounted:
            raise CheckError(
                f"{analysis.model.spec}: the totals are lower bounds",
                "not counted: " + ", ".join(totals.uncounted | totals.backward_uncounted),
            )


def require_counted(roofline: Roofline) -> None:
    """Raise CheckError if the arithmetic of an operator is not in it."""
    if roofline.uncounted:
        raise CheckError(
            f"{roofline.model.spec}: the arithmetic is a lower bound",
            f"not counted: {', '.join(roofline.uncounted)}",
        )
