"""JAX: the training of one run as a scan, for all runs at once or one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.peers.peer import Run
from benchmarks.problem import Problem

Train = Callable[[list[jax.Array], jax.Array], Any]


class _Scanned:
    """Compiled training; the threads of JAX are the cores that the process may use."""

    def __init__(self, problem: Problem) -> None:
        jax.config.update("jax_platforms", problem.device)
        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        try:
            jax.devices()
        except RuntimeError as error:
            raise ImportError(f"no build of JAX for {problem.device}") from error
        self.problem = problem
        self.inputs, self.targets = jnp.asarray(problem.inputs), jnp.asarray(problem.targets)
        self.rates = jnp.asarray(problem.rates)
        self._compiled: dict[int, Callable[..., Any]] = {}

    @staticmethod
    def configure(threads: int) -> None:
        """Nothing: see the class."""

    @staticmethod
    def over_members(train: Train) -> Train:
        raise NotImplementedError

    def run(self, steps: int) -> Run:
        weights = [jnp.asarray(weight) for weight in self.problem.weights()]
        if steps not in self._compiled:
            train = jax.jit(self.over_members(lambda one, rate: self._train(one, rate, steps)))
            self._compiled[steps] = train.lower(weights, self.rates).compile()
        jax.block_until_ready(weights)
        start = time.perf_counter()
        _, rows = jax.block_until_ready(self._compiled[steps](weights, self.rates))
        seconds = time.perf_counter() - start
        return Run(seconds, {name: np.asarray(rows[name]).swapaxes(0, 1) for name in rows})

    def _train(self, initial: list[jax.Array], rate: jax.Array, steps: int) -> Any:
        """Final weights, and the records of all steps, of one run."""
        factors = self.problem.net.lr_factors
        gradient_of = jax.value_and_grad(self._loss, has_aux=True)

        def step(weights: list[jax.Array], _: None) -> Any:
            (loss, rms), gradients = gradient_of(weights)
            updates = [-rate * c * g for c, g in zip(factors, gradients, strict=True)]
            moved = [weight - start for weight, start in zip(weights, initial, strict=True)]
            norms = jnp.stack([jnp.linalg.norm(update) for update in updates])
            displacements = jnp.stack([jnp.linalg.norm(part) for part in moved])
            products = jnp.stack([jnp.vdot(u, p) for u, p in zip(updates, moved, strict=True)])
            row = {
                "loss": loss,
                "preactivation_rms": rms,
                "update_norm": norms,
                "cosine": products / (norms * displacements),
            }
            return [w + u for w, u in zip(weights, updates, strict=True)], row

        return lax.scan(step, initial, length=steps)

    def _loss(self, weights: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Loss of one run, and the RMS of its preactivations."""
        rms = []
        h = self.inputs
        for layer, (weight, gain) in enumerate(zip(weights, self.problem.gains, strict=True)):
            features = jax.nn.relu(h) * gain if layer > 0 else h
            h = features @ weight.T
            rms.append(jnp.sqrt(jnp.mean(lax.stop_gradient(h) ** 2)))
        outputs = h * self.problem.net.output_multiplier
        loss = jnp.sum((outputs - self.targets) ** 2) / (2 * len(self.inputs))
        return loss, jnp.stack(rms)


class Vectorized(_Scanned):
    """All runs at once."""

    @staticmethod
    def over_members(train: Train) -> Train:
        return jax.vmap(train)


class Mapped(_Scanned):
    """One run after another, in one compiled program."""

    @staticmethod
    def over_members(train: Train) -> Train:
        return lambda weights, rates: lax.map(lambda one: train(*one), (weights, rates))
