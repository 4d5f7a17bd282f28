"""One run after another, as in any tutorial."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.peers.peer import COLUMNS, Row, Run, timed
from benchmarks.problem import Array, Problem


class Scale(nn.Module):
    """Multiplication by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


class Naive:
    """``nn.Sequential``, autograd and ``torch.optim.SGD``."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @staticmethod
    def configure(threads: int) -> None:
        torch.set_num_threads(threads)

    def run(self, steps: int) -> Run:
        layers = self.problem.weights()
        members = [
            _Training(self.problem, [layer[member] for layer in layers], float(rate))
            for member, rate in enumerate(self.problem.rates)
        ]
        runs = [timed(member.step, steps) for member in members]
        columns = {name: np.stack([run.columns[name] for run in runs], 1) for name in COLUMNS}
        return Run(sum(run.seconds for run in runs), columns)


class _Training:
    def __init__(self, problem: Problem, weights: list[Array], rate: float) -> None:
        modules: list[nn.Module] = []
        for weight, gain in zip(weights, problem.gains, strict=True):
            if modules:
                modules += [nn.ReLU(), Scale(gain)]
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            linear.weight = nn.Parameter(problem.tensor(weight))
            modules.append(linear)
        self.net = nn.Sequential(*modules, Scale(problem.net.output_multiplier))
        self.linears = [module for module in modules if isinstance(module, nn.Linear)]
        groups = [
            {"params": [linear.weight], "lr": rate * factor}
            for linear, factor in zip(self.linears, problem.net.lr_factors, strict=True)
        ]
        self.optimizer = torch.optim.SGD(groups)
        self.initial = [linear.weight.detach().clone() for linear in self.linears]
        self.inputs = problem.tensor(problem.inputs)
        self.targets = problem.tensor(problem.targets)

    def step(self) -> Row:
        rms = []
        x = self.inputs
        for module in self.net:
            x = module(x)
            if isinstance(module, nn.Linear):
                rms.append(x.detach().square().mean().sqrt())
        loss = (x - self.targets).square().sum() / (2 * len(x))
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norms, cosines = self._motion()
        self.optimizer.step()
        return {
            "loss": loss.detach(),
            "preactivation_rms": torch.stack(rms),
            "update_norm": torch.stack(norms),
            "cosine": torch.stack(cosines),
        }

    @torch.no_grad()
    def _motion(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        norms, cosines = [], []
        for group, initial in zip(self.optimizer.param_groups, self.initial, strict=True):
            (weight,) = group["params"]
            update, moved = -group["lr"] * weight.grad, weight - initial
            norm = update.norm()
            norms.append(norm)
            cosines.append((update * moved).sum() / (norm * moved.norm()))
        return norms, cosines
