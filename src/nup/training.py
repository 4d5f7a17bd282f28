"""Training of a stack of same-shape runs, with everything measured along the way.

One step, in the order of the code: forward; members whose loss exploded leave; backward, giving the
scaled gradient U_k = c_k ξ_k ∂L/∂W_k; the optimizer's direction D_k, which for ``sgd`` is U_k;
curvature and Taylor coefficients where due; the schedule's η_t; records; W_k ← W_k − η_t D_k. Row t
of the records describes the state before update t.

On a CPU the steps between two measurements of the state are compiled (``nup.compiled``): the same
arithmetic, one run after another instead of all at once. The steps here, on stacks, are the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup import observables, operations, optimizers
from nup.activations import activation
from nup.batches import TrainingData
from nup.compiled.stretch import Plan, Settings, State, Stretches
from nup.curvature import MOST_PRODUCTS, TOLERANCE, Sharpness, gauss_newton_operator
from nup.data import Dataset
from nup.ensemble import Network, Trace, initial_weights, layer_views
from nup.errors import UserError
from nup.hessian import hessian_operator
from nup.losses import LOSSES
from nup.parameterization import parameterization
from nup.records import Recorder, Records, due
from nup.schedules import SCHEDULES, Moment, check, depthwise_scale, member_options
from nup.specification import DIVERGENCE_RATIO, RunSpec

#: Called with (steps done, steps, runs still training).
Progress = Callable[[int, int, int], None]


#: Steps of a compiled stretch at most, so that progress is seen.
LONGEST_STRETCH = 100


def train(
    specs: Sequence[RunSpec],
    dataset: Dataset,
    device: str = "cpu",
    progress: Progress | None = None,
    compiled: bool = True,
) -> Records:
    """Train runs of one ``stack_key`` together and return their records.

    ``compiled`` lets compiled kernels take the steps that they can; without, all are taken by torch
    on stacks. The two differ in rounding alone.

    A run's numbers do not depend on the others of its stack beyond the rounding of batched
    products.
    Raises ``UserError`` for a schedule, loss or batch size that does not fit.
    """
    if len({spec.stack_key for spec in specs}) != 1:
        raise UserError(
            "runs of one stack must differ in learning rate, seed and schedule options alone"
        )
    with torch.inference_mode():
        stack = _Stack(specs, dataset, device, compiled)
        step, steps = 0, specs[0].steps
        while step <= steps and len(stack.members) > 0:
            step = stack.advance(step)
            if progress is not None:
                progress(step - 1, steps, len(stack.members))
        return stack.recorder.records(stack.null_loss)


class _Stack:
    """The runs of a stack that are still training, as stacked tensors."""

    def __init__(
        self, specs: Sequence[RunSpec], dataset: Dataset, device: str, compiled: bool
    ) -> None:
        spec = self.spec = specs[0]
        for other in specs:
            check(other.schedule, other.learning_rate)
        shape = parameterization(
            spec.parameterization,
            depth=spec.depth,
            width=spec.width,
            d_in=dataset.d_in,
            d_out=dataset.d_out,
            **spec.options,
        )
        self.network = Network(shape, activation(spec.activation))
        seeds = [each.seed for each in specs]
        dtype = {"float32": torch.float32, "float64": torch.float64}.get(spec.dtype)
        if dtype is None:
            raise UserError(f"unknown dtype {spec.dtype!r}: expected float32 or float64")
        drawn = initial_weights(shape, seeds, spec.weight_variance, dtype, device)
        self.parameters = torch.cat([weight.flatten(1) for weight in drawn], 1)  # [E, N]
        self.moved = torch.zeros_like(self.parameters)
        self.optimizer = optimizers.start(spec, shape.lr_factors, self.weights)
        like = self.parameters
        self.data = TrainingData(spec, seeds, dataset, like)
        self.loss = LOSSES[spec.loss]()
        self.null_loss = self.loss.null_value(self.data.targets["train"])
        self.operations = operations.Count(specs, shape, self.data.samples)
        self.members = torch.arange(len(specs), device=device)  # indices at the start. [E]
        self.recorder = Recorder(specs, shape.depth)
        self.schedule = SCHEDULES[spec.schedule.name]
        rates = [np.nan if each.learning_rate is None else each.learning_rate for each in specs]
        self.learning_rate = torch.tensor(rates, dtype=torch.float64).to(like)
        self.options = {
            name: torch.tensor(values, dtype=torch.float64).to(like)
            for name, values in member_options([each.schedule for each in specs]).items()
        }
        self.previous: Tensor | None = None
        self.limit: Tensor | None = None  # loss beyond which a run has diverged
        self.remarks: dict[int, str] = {}
        self.evolution = observables.Evolution(
            self.network, self.weights, self.data.inputs["probe"]
        )
        size = self.data.samples * dataset.d_out
        self.sharpness = Sharpness(seeds, size, like)
        self.hessian: Sharpness | None = None
        if spec.record.hessian:
            self.hessian = Sharpness(seeds, shape.n_parameters, like, definite=False)
        samples = spec.batch_size or self.data.samples
        self._buffers = self.network.buffers(len(specs), samples, like)
        self._direction = [torch.empty_like(weight) for weight in self.weights]
        self._compiled = self._stretches() if compiled and device == "cpu" else None

    @property
    def weights(self) -> list[Tensor]:
        """W_k as views of the parameters. [E, m_k, m_{k-1}]"""
        return layer_views(self.parameters, self.network.parameterization.widths)

    @property
    def displacement(self) -> list[Tensor]:
        """W_k(t) − W_k(0) as views. [E, m_k, m_{k-1}]"""
        return layer_views(self.moved, self.network.parameterization.widths)

    # -- one step ----------------------------------------------------------------------------------

    def advance(self, step: int) -> int:
        """Take the step, or as many as the compiled kernels take at once; returns the next one."""
        until = step
        if self._compiled is not None and step > 0:
            most = min(step + LONGEST_STRETCH, self.spec.steps)
            while until < most and not self._measures_state(until):
                until += 1
        if until == step:
            self.step(step)
            return step + 1
        self._stretch(step, until)
        return until

    def step(self, step: int) -> None:
        """Measure the state at ``step`` and, unless it is the final one, update it."""
        final = step == self.spec.steps
        trace, targets = self._forward(step, final)
        if len(self.members) == 0:
            return
        outputs = self.network.outputs(trace)
        deltas = self.network.backward(self.weights, trace, self.loss.cotangent(outputs, targets))
        factors, scales = self._factors(trace, deltas)
        gradients = self.network.weight_gradients(trace, deltas, factors, self._direction)
        direction = self.optimizer.direction(self.weights, gradients)
        sharpness = self._measure_sharpness(step, trace, factors)
        hessian = self._measure_hessian(step, trace, deltas, factors)
        taylor = self._measure_taylor(step, trace, direction, targets)
        values = self._measure_probe(step, factors)
        if self._due(self.spec.record.layers, step):
            values["gradient_scale"] = scales
            values["preactivation_rms"] = observables.preactivation_rms(trace)
        if final:
            values["displacement"] = observables.norm(self.displacement)
            self._put(step, values)
            self._finish(sharpness)
            return
        rate = self._rate(step, sharpness, taylor)
        values |= self._measure_motion(step, rate, direction)
        if sharpness is not None:
            values["edge"] = rate * sharpness
        if hessian is not None:
            values["hessian_edge"] = rate * hessian
        values["learning_rate"] = rate
        self._put(step, values)
        self._update(rate, direction)

    def _forward(self, step: int, final: bool) -> tuple[Trace, Tensor]:
        """Forward pass of the step's batch; members that diverged have left afterwards."""
        if final:
            inputs, targets = self.data.inputs["train"], self.data.targets["train"]
            buffers = None if self.spec.batch_size else self._buffers
        else:
            inputs, targets = self.data.batch(step, self.members)
            buffers = self._buffers
        trace = self.network.forward(self.weights, inputs, buffers)
        value = self.loss.value(self.network.outputs(trace), targets)
        if self.limit is None:
            self.limit = DIVERGENCE_RATIO * value.clamp_min(self.null_loss)
        good = torch.isfinite(value) & (value <= self.limit)
        if not bool(good.all()):
            self._drop(good, value, np.full(len(good), step))
            kept = good.nonzero().squeeze(-1)
            if inputs.ndim == 3:
                inputs, targets = inputs[kept], targets[kept]
            value = value[kept]
            if len(kept):
                trace = self.network.forward(self.weights, inputs, buffers)
        indices = self.members.cpu().numpy()
        self.recorder.losses[step, indices] = value.to("cpu", torch.float64).numpy()
        spent = self.recorder.flops[indices] = self.operations.total[indices]
        self._put(step, {"loss": value, "flops": torch.from_numpy(spent)})
        return trace, targets

    def _drop(self, good: Tensor, value: Tensor, steps: npt.NDArray[np.int64]) -> None:
        """Record the members that diverged, at which loss and step, and take them off the stack."""
        assert self.limit is not None
        for index in (~good).nonzero().squeeze(-1).tolist():
            member = int(self.members[index])
            if bool(torch.isfinite(value[index])):
                reason = f"loss {float(value[index]):.3g} exceeded {float(self.limit[index]):.3g}"
            else:
                reason = self.remarks.get(member, "loss is not finite")
            self.recorder.diverged[member] = (int(steps[index]), reason)
        kept = good.nonzero().squeeze(-1)
        self.members, self.limit = self.members[kept], self.limit[kept]
        self.parameters, self.moved = self.parameters[kept], self.moved[kept]
        self.optimizer.keep(kept)
        self.learning_rate = self.learning_rate[kept]
        self.options = {name: values[kept] for name, values in self.options.items()}
        self.previous = None if self.previous is None else self.previous[kept]
        self.sharpness.keep(kept)
        if self.hessian is not None:
            self.hessian.keep(kept)
        self.evolution.keep(kept)

    def _factors(
        self, trace: Trace, deltas: Sequence[Tensor]
    ) -> tuple[list[float | Tensor], Tensor]:
        """c_k ξ_k of each layer, and ξ_k alone. [E, l]"""
        factors: list[float | Tensor] = list(self.network.parameterization.lr_factors)
        ones = deltas[0].new_ones(len(self.members), self.network.depth)
        if self.spec.schedule.gradient_scaling == "none":
            return factors, ones
        powers = observables.powers(self.network, trace, deltas)
        scales = [depthwise_scale(f, b, powers[-1][1]) for f, b in powers]
        return [c * xi for c, xi in zip(factors, scales, strict=True)], torch.stack(scales, -1)

    def _rate(
        self, step: int, sharpness: Tensor | None, taylor: tuple[Tensor, Tensor, Tensor] | None
    ) -> Tensor:
        """η_t of every member. [E]"""
        moment = Moment(
            step,
            self.spec.steps,
            self.learning_rate,
            self.options,
            sharpness,
            taylor,
            self.previous,
        )
        rate = self.schedule.rule(moment)
        indices = self.members.cpu().numpy()
        if self.schedule.needs == "taylor" and taylor is not None:
            self.recorder.fallbacks[indices] += (taylor[1] <= 0).cpu().numpy()
        self._remark(torch.isfinite(rate))
        self.previous = rate
        return rate

    def _remark(self, finite: Tensor) -> None:
        """Note the members whose rate was not ``finite``: why their loss will not be either."""
        for member in self.members[~finite].tolist():
            self.remarks[member] = f"schedule {self.schedule.name!r} found no finite rate"

    def _update(self, rate: Tensor, direction: Sequence[Tensor]) -> None:
        eta = rate[:, None, None]
        for weight, moved, update in zip(self.weights, self.displacement, direction, strict=True):
            weight.addcmul_(update, eta, value=-1)
            moved.addcmul_(update, eta, value=-1)
        self.operations.updated(self.members.cpu().numpy())

    # -- compiled steps ----------------------------------------------------------------------------

    def _stretches(self) -> Stretches | None:
        """What takes the compiled steps; None for what they cannot do.

        That is another optimizer than ``sgd``, and a schedule that wants λ_t beside a minibatch.
        """
        needs, batch_size = self.schedule.needs, self.spec.batch_size
        if self.spec.optimizer.name != "sgd" or (needs == "sharpness" and batch_size is not None):
            return None
        settings = Settings(
            self.spec.loss,
            self.spec.schedule.gradient_scaling == "depthwise",
            needs,
            TOLERANCE,
            MOST_PRODUCTS,
            batch_size,
        )
        train = self.data.inputs["train"], self.data.targets["train"]
        return Stretches(self.network, *train, settings)

    def _measures_state(self, step: int) -> bool:
        """Whether something is due that compiled steps do not measure."""
        record = self.spec.record
        cadences = [record.probe, record.features, record.hessian]
        if self.spec.batch_size is not None:
            cadences.append(record.curvature)
        return any(self._due(cadence, step) for cadence in cadences)

    def _stretch(self, first: int, until: int) -> None:
        """Steps ``first`` … ``until`` − 1 by compiled kernels."""
        assert self._compiled is not None and self.limit is not None
        assert self.previous is not None
        state = State(
            self.parameters,
            self.moved,
            self.sharpness.starts,
            self.options.get("c", self.limit).numpy(),
            self.limit.numpy(),
            self.previous.numpy(),
        )
        steps = range(first, until)
        measured = self._compiled.run(state, self._plan(steps))
        members, columns = self.members.numpy(), measured.columns
        spent = self.operations.stretch(members, columns.sharpness[..., 2], measured.done)
        self.recorder.put_stretch(first, members, measured, self._compiled.sizes, spent)
        found = np.isfinite(columns.rate) | ~measured.known
        self._remark(torch.from_numpy(found.all(1)))
        self.previous = torch.from_numpy(columns.rate[:, -1]).to(self.previous)
        good = torch.from_numpy(measured.done == until - first)
        if not bool(good.all()):
            last = np.minimum(measured.done, until - first - 1)
            value = torch.from_numpy(columns.loss[np.arange(len(last)), last])
            self._drop(good, value, first + measured.done)

    def _plan(self, steps: range) -> Plan:
        """What is due in these steps, and the rates and batches that are known beforehand."""
        record, needs = self.spec.record, self.schedule.needs
        curvature, taylor = (
            np.array([self._due(cadence, step) for step in steps])
            for cadence in (record.curvature, record.taylor)
        )
        rates = np.full((len(self.members), len(steps)), np.nan)
        if not needs:
            for t, step in enumerate(steps):
                moment = Moment(step, self.spec.steps, self.learning_rate, self.options)
                rates[:, t] = self.schedule.rule(moment).numpy()
        return Plan(
            curvature | (needs == "sharpness"),
            taylor,
            rates,
            self.data.indices(steps, self.members).numpy(),
        )

    # -- measurements ------------------------------------------------------------------------------

    def _measure_sharpness(
        self, step: int, trace: Trace, factors: Sequence[float | Tensor]
    ) -> Tensor | None:
        """λ_t on all training data, where the cadence or the schedule asks for it. [E]"""
        on_cadence = self._due(self.spec.record.curvature, step)
        if not on_cadence and self.schedule.needs != "sharpness":
            return None
        if self.spec.batch_size is not None and step < self.spec.steps:
            trace = self.network.forward(self.weights, self.data.inputs["train"])
        operator = gauss_newton_operator(self.network, self.weights, trace, self.loss, factors)
        pair = self.sharpness.measure(operator)
        indices = self.members.cpu().numpy()
        self.operations.measured(indices, pair.products.cpu().numpy())
        if step == 0:
            self.recorder.initial_sharpness[indices] = pair.value.to("cpu", torch.float64).numpy()
        self._put(step, {"sharpness": pair.value, "sharpness_residual": pair.residual})
        return pair.value

    def _measure_hessian(
        self,
        step: int,
        trace: Trace,
        deltas: Sequence[Tensor],
        factors: Sequence[float | Tensor],
    ) -> Tensor | None:
        """Top eigenvalue of the preconditioned Hessian on all training data, where due. [E]"""
        if self.hessian is None or not self._due(self.spec.record.hessian, step):
            return None
        if self.spec.batch_size is not None and step < self.spec.steps:
            trace = self.network.forward(self.weights, self.data.inputs["train"])
            outputs, targets = self.network.outputs(trace), self.data.targets["train"]
            cotangent = self.loss.cotangent(outputs, targets)
            deltas = self.network.backward(self.weights, trace, cotangent)
        operator = hessian_operator(self.network, self.weights, trace, deltas, self.loss, factors)
        pair = self.hessian.measure(operator)
        self._put(step, {"hessian_sharpness": pair.value, "hessian_residual": pair.residual})
        return pair.value

    def _measure_taylor(
        self, step: int, trace: Trace, direction: Sequence[Tensor], targets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """(T1, T2, T2 of the linearized network) along the update, where due. Each [E]"""
        on_cadence = self._due(self.spec.record.taylor, step)
        if not on_cadence and self.schedule.needs != "taylor":
            return None
        order = 3 if on_cadence else 2
        outputs = self.network.outputs(trace)
        jets = self.network.jets(self.weights, trace, direction, order)
        coefficients = self.loss.taylor(outputs, targets, jets)
        names = ("taylor_1", "taylor_2", "taylor_3")
        if on_cadence:
            self._put(step, dict(zip(names, coefficients, strict=True)))
        linear = [jets[0], torch.zeros_like(jets[0])]
        return coefficients[0], coefficients[1], self.loss.taylor(outputs, targets, linear)[1]

    def _due(self, cadence: int, step: int) -> bool:
        return due(cadence, step, self.spec.steps)

    def _measure_motion(
        self, step: int, rate: Tensor, direction: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Norms and cosines of the update, of all weights and per layer, where due."""
        of_all = self._due(self.spec.record.steps, step)
        by_layer = self._due(self.spec.record.layers, step)
        if not of_all and not by_layer:
            return {}
        motion = observables.motion(direction, self.displacement)
        update = motion.update_square.sqrt() * rate[:, None]
        values = {"layer_update_norm": update, "layer_cosine": motion.cosine()} if by_layer else {}
        if of_all:
            values["update_norm"] = update.square().sum(-1).sqrt()
            values["displacement"] = motion.displacement_square.sum(-1).sqrt()
            values["cosine"] = motion.cosine(whole=True)
        return values

    def _measure_probe(self, step: int, factors: Sequence[float | Tensor]) -> dict[str, Tensor]:
        """Preactivations and features of the probe set, and generalization, where due."""
        with_features = self._due(self.spec.record.features, step)
        if not with_features and not self._due(self.spec.record.probe, step):
            return {}
        trace = self.evolution.trace(self.weights)
        values = self.evolution.measure(self.weights, self.displacement, trace)
        if with_features:
            targets = self.data.targets["probe"]
            values |= observables.features(trace, targets)
            values |= observables.movement(self.weights, self.displacement)
            kernel = observables.neural_tangent_kernel(self.network, self.weights, trace, factors)
            alignment = observables.kernel_alignment(kernel, targets @ targets.mT)
            values["ntk_alignment"] = alignment
            values |= self._accuracies(("validation", "test"))
            values["validation_loss"] = self._validation_loss()
        return values

    def _accuracies(self, splits: Sequence[str]) -> dict[str, Tensor]:
        if not self.data.labels:
            return {}
        return {
            f"{split}_accuracy": observables.accuracy(self._outputs(split), self.data.labels[split])
            for split in splits
        }

    def _validation_loss(self) -> Tensor:
        return self.loss.value(self._outputs("validation"), self.data.targets["validation"])

    def _outputs(self, split: str) -> Tensor:
        trace = self.network.forward(self.weights, self.data.inputs[split])
        return self.network.outputs(trace)

    def _put(self, step: int, values: dict[str, Tensor]) -> None:
        per_layer = {"layer_update_norm": "update_norm", "layer_cosine": "cosine"}
        members = self.members.cpu().numpy()
        for name, tensor in values.items():
            self.recorder.put(step, members, {per_layer.get(name, name): tensor})

    def _finish(self, sharpness: Tensor | None) -> None:
        """Summary of the final state."""
        values = self._accuracies(("train", "validation", "test"))
        values["validation_loss"] = self._validation_loss()
        if sharpness is not None:
            values["final_sharpness"] = sharpness
        self.recorder.put_final(self.members.cpu().numpy(), values)
