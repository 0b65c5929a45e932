"""A picture of a workload's graph: operators grouped into boxes, laid out in layers, drawn as SVG.

`boxes` decides what is one box, `layers` gives each a rank and an order, `places` gives coordinates
in columns that fit a screen, and `svg` draws.
"""
