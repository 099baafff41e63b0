"""A workload in JAX: jit, many steps a call by lax.scan with the state given away, optax's Adam. See peers.py."""
import jax
import jax.numpy as jnp
import optax

import workloads


class B:
    einsum, relu, sigmoid, mean, reshape = jnp.einsum, jax.nn.relu, jax.nn.sigmoid, jnp.mean, jnp.reshape
    dense = staticmethod(lambda h, w, b: h @ w + b)
    softmax = staticmethod(lambda z: jax.nn.softmax(z, axis=-1))
    concat = staticmethod(lambda parts: jnp.concatenate(parts, axis=1))
    stack = staticmethod(lambda parts: jnp.concatenate(parts, axis=0))
    swap = staticmethod(lambda z: jnp.swapaxes(z, 0, 1))
    rows = staticmethod(lambda table, ids: jnp.take(table, ids, axis=0))
    bce = staticmethod(lambda z, y: optax.sigmoid_binary_cross_entropy(z, y).mean())
    cross_entropy = staticmethod(lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y.astype(jnp.int32)).mean())


def prepare(job):
    adam = optax.adam(1e-3, eps=1e-8)

    def step(state, part):
        w, memory = state
        value, grads = jax.value_and_grad(lambda w: workloads.loss(job.name, B, w, *part))(w)
        update, memory = adam.update(grads, memory)
        return (optax.apply_updates(w, update), memory), value

    many = jax.jit(lambda state, parts: jax.lax.scan(step, state, parts), donate_argnums=0)
    w = {k: jnp.asarray(v) for k, v in job.start.items()}
    times = 5 if job.batch <= 256 else 1                       # small steps: 100 a call
    parts = tuple(jnp.tile(p, (times,) + (1,) * (p.ndim - 1)) for p in job.parts)
    state, losses = many((w, adam.init(w)), parts)
    check = float(losses[:len(job.parts[0])].mean())

    def run():
        nonlocal state
        state, losses = many(state, parts)
        jax.block_until_ready((state, losses))
        return len(losses)

    return check, run, {"jax": jax.__version__, "optax": optax.__version__}
