"""Figures, never tests: each module ``bench_<name>`` has ``run()`` that returns rows of figures."""
