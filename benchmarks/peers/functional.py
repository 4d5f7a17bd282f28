"""Model ensembling after PyTorch's tutorial: one module, stacked parameters, vmap."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from benchmarks.peers.peer import Row, Run, timed
from benchmarks.problem import Problem


class Net(nn.Module):
    """The net of one run, which also returns the RMS of its preactivations."""

    def __init__(self, weights: list[Tensor], gains: list[float], output_multiplier: float) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.gains, self.output_multiplier = gains, output_multiplier

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rms = []
        for layer, (weight, gain) in enumerate(zip(self.weights, self.gains, strict=True)):
            features = torch.relu(x) * gain if layer > 0 else x
            x = nn.functional.linear(features, weight)
            rms.append(x.detach().square().mean().sqrt())
        return x * self.output_multiplier, torch.stack(rms)


class Functional:
    """``torch.func``: ``stack_module_state`` and ``vmap(grad)``."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.inputs = problem.tensor(problem.inputs)
        self.targets = problem.tensor(problem.targets)

    @staticmethod
    def configure(threads: int) -> None:
        torch.set_num_threads(threads)

    def run(self, steps: int) -> Run:
        problem = self.problem
        layers = [problem.tensor(weight) for weight in problem.weights()]
        nets = [
            Net([layer[member] for layer in layers], problem.gains, problem.net.output_multiplier)
            for member in range(len(problem.runs))
        ]
        stacked, _ = stack_module_state(nets)
        base = nets[0].to("meta")
        parameters = {name: value.detach() for name, value in stacked.items()}
        initial = {name: value.clone() for name, value in parameters.items()}
        rates = problem.tensor(problem.rates)
        factors = dict(zip(parameters, problem.net.lr_factors, strict=True))

        def loss(one: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            outputs, rms = functional_call(base, one, (x,))
            return (outputs - y).square().sum() / (2 * len(x)), rms

        gradients_of = vmap(grad_and_value(loss, has_aux=True), in_dims=(0, None, None))

        def step() -> Row:
            gradients, (losses, rms) = gradients_of(parameters, self.inputs, self.targets)
            norms, cosines = [], []
            for name, gradient in gradients.items():
                update = -rates[:, None, None] * factors[name] * gradient
                moved = parameters[name] - initial[name]
                norm = update.flatten(1).norm(dim=1)
                product = (update * moved).flatten(1).sum(1)
                cosines.append(product / (norm * moved.flatten(1).norm(dim=1)))
                norms.append(norm)
                parameters[name] += update
            return {
                "loss": losses,
                "preactivation_rms": rms,
                "update_norm": torch.stack(norms, -1),
                "cosine": torch.stack(cosines, -1),
            }

        return timed(step, steps)
