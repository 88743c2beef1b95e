# SPDX-License-Identifier: Apache-2.0
"""What bench/run is made of. Namespaces and daemons are handled by the tests' own tools."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))
