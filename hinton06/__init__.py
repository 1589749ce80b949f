"""Reruns the experiments of G. E. Hinton, "To Recognize Shapes, First Learn to Generate Images".

UTML TR 2006-004, University of Toronto, 26 October 2006. One module is one section of the
chapter; see README, "Reading the code with the chapter open".
"""

import os

# NumPy and SciPy bring an OpenBLAS each. Idle threads of one would spin for tens of milliseconds on
# the cores that the other needs, which makes two threads several times slower than one.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
