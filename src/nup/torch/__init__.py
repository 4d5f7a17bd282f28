"""νP, its schedules, gradient scalings and diagnostics in anyone's own PyTorch loop.

    from nup import torch as nt

    model = nt.mlp("nup", depth=6, width=16, d_in=784, d_out=10, activation="relu", r=2)
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=0.5), lr=0.5)

Everything works on ordinary modules and optimizers: a parameterization sets initial weights and an
output multiplier, and its factors c_k are learning rates of parameter groups. Nothing is attached
to tensors.
"""

from nup.torch.checks import CoordCheck, coord_check
from nup.torch.curvature import ntk, sharpness, soft_rank
from nup.torch.groups import check_groups, param_groups, rates
from nup.torch.layout import Layout, layout_of
from nup.torch.models import MLP, mlp, parameterize, set_weights
from nup.torch.scaling import record_signals, scale_depthwise, scale_gradients
from nup.torch.schedules import PolyakLR, SharpnessLR, TaylorLR
from nup.torch.transfer import Transfer, lr_transfer
from nup.torch.watch import Watch

__all__ = [
    "MLP",
    "CoordCheck",
    "Layout",
    "PolyakLR",
    "SharpnessLR",
    "TaylorLR",
    "Transfer",
    "Watch",
    "check_groups",
    "coord_check",
    "layout_of",
    "lr_transfer",
    "mlp",
    "ntk",
    "param_groups",
    "parameterize",
    "rates",
    "record_signals",
    "scale_depthwise",
    "scale_gradients",
    "set_weights",
    "sharpness",
    "soft_rank",
]
