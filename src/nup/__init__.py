"""nup: a replication of "MLPs at the EOC: Dynamics of Feature Learning" (arXiv 2502.13110).

Importing the package is cheap: torch, pandas and pyarrow are only imported by the modules that
need them.

``nup.parameterization`` is the function, which hides the submodule that it comes from: import the
other names of that module as ``from nup.parameterization import …``.
"""

# Importing the submodule sets the package's attribute to the module, once; the function replaces it
# here, before anyone can see it. Later imports find the module in sys.modules and leave this alone.
from nup.networks.parameterization import parameterization

__version__ = "0.1.0"
__all__ = ["__version__", "parameterization"]
