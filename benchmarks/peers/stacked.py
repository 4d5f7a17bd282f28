"""Stacked weights: one batched product a layer, autograd for the rest."""

from __future__ import annotations

import torch

from benchmarks.peers.peer import Row, Run, timed
from benchmarks.problem import Problem


class Stacked:
    """``torch.bmm`` and autograd."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        members = len(problem.runs)
        self.inputs = problem.tensor(problem.inputs).expand(members, -1, -1)  # [E, n, m_0]
        self.targets = problem.tensor(problem.targets)

    @staticmethod
    def configure(threads: int) -> None:
        torch.set_num_threads(threads)

    def run(self, steps: int) -> Run:
        problem = self.problem
        weights = [problem.tensor(weight).requires_grad_() for weight in problem.weights()]
        initial = [weight.detach().clone() for weight in weights]
        rates = problem.tensor(problem.rates)[:, None, None]
        factors = problem.net.lr_factors

        def step() -> Row:
            rms, norms, cosines = [], [], []
            h = self.inputs
            for layer, (weight, gain) in enumerate(zip(weights, problem.gains, strict=True)):
                features = torch.relu(h) * gain if layer > 0 else h
                h = torch.bmm(features, weight.mT)  # [E, n, m_k]
                rms.append(h.detach().square().mean((1, 2)).sqrt())
            outputs = h * problem.net.output_multiplier
            losses = (outputs - self.targets).square().sum((1, 2)) / (2 * outputs.shape[1])
            gradients = torch.autograd.grad(losses.sum(), weights)
            with torch.no_grad():
                for weight, start, gradient, factor in zip(
                    weights, initial, gradients, factors, strict=True
                ):
                    update, moved = -rates * factor * gradient, weight - start
                    norm = update.flatten(1).norm(dim=1)
                    product = (update * moved).flatten(1).sum(1)
                    cosines.append(product / (norm * moved.flatten(1).norm(dim=1)))
                    norms.append(norm)
                    weight += update
            return {
                "loss": losses.detach(),
                "preactivation_rms": torch.stack(rms, -1),
                "update_norm": torch.stack(norms, -1),
                "cosine": torch.stack(cosines, -1),
            }

        return timed(step, steps)
