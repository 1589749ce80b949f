"""Spectrograms of spoken digits, as IDX files beside this module; LICENSE says whose and how made.

Not in the chapter, which names such data: "spectrograms from multiple different speakers saying
isolated digits". `hinton06.mnist` reads them, as it reads any set.
"""
