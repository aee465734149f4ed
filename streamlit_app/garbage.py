"""Keeps the libraries out of the garbage collector's sight.

Streamlit collects garbage after every rerun, and every other thread waits meanwhile: 230 ms with the Azure SDK and
MLflow in sight, 5-10 ms without (streamlit#8977).
"""

from __future__ import annotations

import gc
import sys

MANY_MODULES = 100
_spared_modules = 0


def spare_libraries() -> None:
    """Where a library was loaded since the last call, what lives now is not looked at again; else this does nothing."""
    global _spared_modules
    if abs(len(sys.modules) - _spared_modules) >= MANY_MODULES:
        gc.collect()
        gc.freeze()
        _spared_modules = len(sys.modules)
