"""All that can be shown, as one type for annotations.

It imports every record there is: no module imports this one when it runs.
"""

from __future__ import annotations

from typing import TypeAlias

from ..analysis.benchmark.records import Benchmark
from ..analysis.diagnosis.records import Diagnosis
from ..analysis.explanation.records import Explanation
from ..analysis.memory.records import Memory
from ..analysis.records import Analysis, Comparison, Formulas, Listing, Scaling, Verification
from ..analysis.roofline.records import Devices, Roofline

Result: TypeAlias = (
    Analysis
    | Benchmark
    | Comparison
    | Devices
    | Diagnosis
    | Explanation
    | Formulas
    | Listing
    | Memory
    | Roofline
    | Scaling
    | Verification
)
