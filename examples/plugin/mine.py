"""A plug-in that adds one of each: name this file under ``plugins`` of a study.

Everything here is found, checked, labelled, trained, tabulated, judged and drawn like what is
shipped. The digest of this file is part of the ids of the runs that use it.
"""

import numpy as np

from nup.plugin import (
    Column,
    Measurement,
    Option,
    Parameterization,
    Samples,
    claims,
    dataset,
    estimator,
    figure,
    notebook,
    observable,
    optimizer,
    parameterization,
    scaling,
    schedule,
)

claims("claims.yaml")
notebook("tilt.ipynb")


@dataset("rings", samples=Option(400, int, low=100, meaning="samples of the pool"))
def rings(options, seed):
    """Two noisy concentric rings in the plane, lifted to their monomials up to degree 2."""
    source = np.random.default_rng(seed)
    labels = source.integers(0, 2, options["samples"])
    angle = source.uniform(0, 2 * np.pi, options["samples"])
    radius = 1 + labels + 0.1 * source.normal(size=options["samples"])
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return Samples(np.stack([x, y, x * x, x * y, y * y, np.ones_like(x)], 1), labels=labels)


@parameterization(tilt=Option(0.5, low=0.0, meaning="exponent of the initial variance in k"))
def tilted(depth, width, d_in, d_out, tilt):
    """Constant widths, initial variances k^-tilt/m_{k-1}, and the factors of μP. [operational]"""
    widths = (d_in, *[width] * (depth - 1), d_out)
    return Parameterization(
        widths,
        output_multiplier=width**-0.5,
        lr_factors=tuple(width / fan_in for fan_in in widths[:-1]),
        variances=tuple(k**-tilt for k in range(1, depth + 1)),
    )


@schedule(power=Option(0.5, low=0.0, meaning="exponent of the decay"))
def inverse_power(moment):
    """η_t = η/(t + 1)^power."""
    return moment.learning_rate / (moment.step + 1) ** moment.options["power"]


@scaling(power=Option(0.5, low=0.0, high=1.0, meaning="0 is no scaling"))
def gradient_norm(signals):
    """ξ_k = (mean of ‖∂L/∂W‖ over layers / ‖∂L/∂W_k‖)^power. [operational]"""
    import torch

    norms = torch.stack([gradient.norm(dim=(1, 2)) for gradient in signals.gradients], -1)
    ratio = norms.mean(-1, keepdim=True) / norms.clamp_min(torch.finfo(norms.dtype).tiny)
    return ratio ** signals.options["power"]


@optimizer(moments=1, beta=Option(0.9, low=0.0, below=1.0, meaning="decay of the momentum"))
def momentum(parameters, update, moments, step, options):
    """Heavy ball: D = V with V ← β V + U. [lit]"""
    velocity = moments[0].mul_(options["beta"]).add_(update)
    return velocity, (velocity,)


@observable(
    steps={"kurtosis": Column("float32", "1", "excess kurtosis of all weights")},
    layers={"layer_kurtosis": Column("float32", "1", "excess kurtosis of the entries of W_k")},
)
def weight_kurtosis(context):
    """How far the weights are from Gaussian."""
    import torch

    def excess(entries):
        centred = entries - entries.mean(-1, keepdim=True)
        return centred.pow(4).mean(-1) / centred.square().mean(-1).square() - 3

    layers = [weight.flatten(1) for weight in context.weights]
    return {
        "kurtosis": excess(torch.cat(layers, 1)),
        "layer_kurtosis": torch.stack([excess(layer) for layer in layers], -1),
    }


@estimator
def final_kurtosis(selection, net):
    """Mean over depths of a net's weight kurtosis at the end of training, one number a seed."""
    runs = selection.runs_of(net)
    steps = selection.steps.merge(runs[["run_id", "seed", "steps"]], on="run_id")
    final = steps[steps["step"] == steps["steps"]]
    return Measurement(final.groupby("seed")["kurtosis"].mean().astype("float64"))


@figure
def kurtosis_of_nets(tables, judged, claim):
    """Kurtosis of the weights along training, a line a net: mean over runs."""
    from nup.figures.nets import net_style
    from nup.figures.panels import panels

    def draw(axis, selection):
        table = selection.steps.merge(selection.runs[["run_id", "net"]], on="run_id")
        rows = table[table["net"].isin(claim.nets)].dropna(subset=["kurtosis"])
        styles = {net: net_style(selection, net) for net in claim.nets}
        means = rows.groupby(["net", "step"])["kurtosis"].mean()
        for net, style in styles.items():
            line = means[net]
            axis.plot(line.index, line, color=style.color, marker=style.marker, label=style.label)
        axis.set(xlabel="step", ylabel="excess kurtosis of the weights")
        axis.legend()

    return panels(tables, judged, claim, {"kurtosis along training": draw})
