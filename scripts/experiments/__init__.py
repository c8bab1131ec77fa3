"""Experiments on a GPU, one module each; `PYTHONPATH=src:scripts python -m experiments.NAME OUT`.

Each tells beforehand what it will cost, writes a line of JSON as soon as it is known, and goes on
where it was cut off when the same command is given again. `--twin` runs tiny twins on a CPU.
"""
