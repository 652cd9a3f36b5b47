"""Chaos: real operators, a real API server, and everything that can go wrong between them.

`make chaos` runs it; `python -m tests.chaos --help` lists what can be chosen. How to read what it
prints is in `docs/explanation/proof.md`.
"""
