"""Which row to measure next: the one that tells most about all others for its GPU-seconds.

`candidates` are rows as they are asked for, without any measured value; `belief` is what rows
measured so far leave unknown; `proposal` picks the next row or stops; `replay` plays all of it, and
two simpler ways, on rows that were measured already.
"""
