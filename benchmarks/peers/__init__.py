"""Ways to train many small nets, each written as its users would write it."""

from __future__ import annotations

from importlib import import_module

from benchmarks.peers.peer import Peer

#: Name → module and class.
PEERS = {
    "ours": ("ours", "Ours"),
    "naive": ("naive", "Naive"),
    "torch.func": ("functional", "Functional"),
    "bmm + autograd": ("stacked", "Stacked"),
    "JAX vmap + scan": ("jax_members", "Vectorized"),
    "JAX lax.map": ("jax_members", "Mapped"),
}

DESCRIPTIONS = {
    "ours": "`nup.training.loop.train`, as a job runs it",
    "naive": "`nn.Sequential`, autograd and `torch.optim.SGD`, one run after another",
    "torch.func": "`stack_module_state`, `functional_call` and `vmap(grad)`",
    "bmm + autograd": "stacked weights, `torch.bmm` and autograd",
    "JAX vmap + scan": "`jit` of `vmap` over members of `lax.scan` over steps",
    "JAX lax.map": "`jit` of `lax.map` over members of `lax.scan` over steps",
}


def peer(name: str) -> type[Peer]:
    """The class of a peer; ImportError where its library is absent."""
    module, attribute = PEERS[name]
    found: type[Peer] = getattr(import_module(f"benchmarks.peers.{module}"), attribute)
    return found
