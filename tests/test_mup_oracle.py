"""Our ``mup`` against the package of that name, by the authors of μP.

The correspondence, with m our width, m_0 the input size, and base width 1 in the package:

=============  =======================  ==============================  =========================
group          ours                     the package                     constant between the two
=============  =======================  ==============================  =========================
input weights  W_1, rate η m/m_0        W_1, ``MuSGD`` rate η m         its rate divided by m_0
hidden         W_k, rate η              W_k, rate η (fan-in/fan-out 1)  none
output         f = W_l x/√m, rate η     ``MuReadout`` f = V x/m,        V = √m W_l
                                        rate η m
=============  =======================  ==============================  =========================

With V = √m W_l the outputs are equal, ∂L/∂V = ∂L/∂W_l/√m, and an update −η m ∂L/∂V of V is one of
−η ∂L/∂W_l of W_l: the two rates are one. So the trajectories are the same function of η, and the
only constants are m_0 and the √m by which a readout weight is written. The input's 1/m_0 is no part
of what μP says (m_0 is fixed as m grows); it is our c_1 = m/m_0, which divides by the squared norm
of the layer's input.
"""

import math

import numpy as np
import pytest
import torch
from mup import MuReadout, MuSGD, set_base_shapes
from mup.init import normal_

import problems
import references
from nup.networks.activations import activation
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import parameterization
from nup.training.loop import train


class Net(torch.nn.Module):
    """The plain network of the package's own examples, without biases."""

    def __init__(self, d_in, width, d_out, depth, phi):
        super().__init__()
        widths = [d_in, *[width] * (depth - 1)]
        make = torch.nn.Linear
        self.hidden = torch.nn.ModuleList(
            make(fan_in, width, bias=False, dtype=torch.float64) for fan_in in widths[:-1]
        )
        self.readout = MuReadout(width, d_out, bias=False, dtype=torch.float64)
        self.phi = phi

    def forward(self, x):
        for layer in self.hidden:
            x = references.phi(layer(x), self.phi)
        return self.readout(x)


def package_net(shape, phi):
    """A net with the shape of ours, scaled from base width 1."""
    d_in, width, d_out = shape.widths[0], shape.widths[1], shape.widths[-1]
    net = Net(d_in, width, d_out, shape.depth, phi)
    base = Net(d_in, 1, d_out, shape.depth, phi)
    return set_base_shapes(net, base)


def with_weights(net, weights, width):
    with torch.no_grad():
        for layer, weight in zip(net.hidden, weights[:-1], strict=True):
            layer.weight.copy_(weight)
        net.readout.weight.copy_(weights[-1] * math.sqrt(width))
    return net


def package_train(net, data, spec, loss):
    """Losses at t = 0 … steps."""
    inputs = torch.from_numpy(data.inputs["train"])
    if spec.loss == "cross_entropy":
        targets = torch.eye(data.d_out, dtype=torch.float64)[data.labels["train"]]
    else:
        targets = torch.from_numpy(data.targets["train"])
    first, *others = net.parameters()
    groups = [
        {"params": [first], "lr": spec.learning_rate / data.d_in},
        {"params": others, "lr": spec.learning_rate},
    ]
    optimizer = MuSGD(groups, lr=spec.learning_rate)
    losses = []
    for _ in range(spec.steps + 1):
        optimizer.zero_grad()
        value = loss(net(inputs), targets, spec.loss)
        losses.append(float(value.detach()))
        value.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("phi", ["abs", "relu"])
@pytest.mark.parametrize(("width", "depth"), [(4, 2), (9, 3), (16, 5)])
def test_trajectories_are_those_of_the_package(width, depth, phi, loss):
    data = problems.dataset("classes")
    spec = problems.run(
        width=width, depth=depth, activation=phi, loss=loss, learning_rate=0.1, steps=10
    )
    records = train([spec], data)
    shape = problems.shape_of(spec, data)
    weights = [w[0] for w in initial_weights(shape, [spec.seed], dtype=torch.float64)]
    net = with_weights(package_net(shape, activation(phi)), weights, width)
    losses = package_train(net, data, spec, references.loss)
    row = problems.summary(records, spec)
    assert row["initial_loss"] == pytest.approx(losses[0], rel=1e-12)
    assert row["final_loss"] == pytest.approx(losses[-1], rel=1e-9)
    np.testing.assert_allclose(records.steps["loss"], losses, rtol=2e-6)


def test_initial_variances_are_those_of_the_package():
    """``mup.init.normal_`` of standard deviation 1: ours, but for the fixed 1/√m_0 of the input."""
    torch.manual_seed(0)
    shape = parameterization("mup", depth=3, width=300, d_in=20, d_out=30)
    theirs = list(package_net(shape, activation("abs")).parameters())
    ours = [w[0] for w in initial_weights(shape, [0], dtype=torch.float64)]
    constants = (math.sqrt(20), 1.0, math.sqrt(300))
    for their, our, constant in zip(theirs, ours, constants, strict=True):
        normal_(their, std=1.0)
        assert float(their.detach().std()) == pytest.approx(constant * float(our.std()), rel=0.05)
