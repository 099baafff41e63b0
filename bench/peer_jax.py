"""A workload in JAX: jit, many steps a call by lax.scan with the state given away, optax's Adam. Tables that are updated by rows: the gradients of
the rows that a batch names are summed by id, and Adam's formula moves these rows alone, with the count of steps, as SparseAdam does. See peers.py."""
import functools

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


class RowsB(B):
    rows = staticmethod(lambda rows, ids: rows)                # looked up before


RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8
ADAM = optax.adam(RATE, BETA1, BETA2, EPS)


def dense_step(name, state, part):
    w, memory = state
    value, grads = jax.value_and_grad(lambda w: workloads.loss(name, B, w, *part))(w)
    update, memory = ADAM.update(grads, memory)
    return (optax.apply_updates(w, update), memory), value


def rows_step(name, state, part):
    w, memory, table, m, v, t = state
    x, ids, y = part
    value, (grads, by_place) = jax.value_and_grad(lambda w, rows: workloads.loss(name, RowsB, {**w, "table": rows}, x, None, y), (0, 1))(w, table[ids])
    update, memory = ADAM.update(grads, memory)
    t = t + 1
    n = ids.size
    at, place = jnp.unique(ids, size=n, fill_value=len(table), return_inverse=True)    # behind the last row: nothing is read or written there
    g = jax.ops.segment_sum(by_place.reshape(n, -1), place.reshape(-1), n)
    m_at = BETA1 * m.at[at].get(mode="fill", fill_value=0) + (1 - BETA1) * g
    v_at = BETA2 * v.at[at].get(mode="fill", fill_value=0) + (1 - BETA2) * g * g
    move = -RATE / (1 - BETA1 ** t) * m_at / (jnp.sqrt(v_at / (1 - BETA2 ** t)) + EPS)
    how = {"mode": "drop", "indices_are_sorted": True}
    state = optax.apply_updates(w, update), memory, table.at[at].add(move, **how), m.at[at].set(m_at, **how), v.at[at].set(v_at, **how), t
    return state, value


def prepare(job):
    w = {k: jnp.asarray(v) for k, v in job.start.items()}
    if workloads.WORKLOADS[job.name].tables:
        table = w.pop("table")
        step, state = rows_step, (w, ADAM.init(w), table, jnp.zeros_like(table), jnp.zeros_like(table), jnp.float32(0))
    else:
        step, state = dense_step, (w, ADAM.init(w))

    many = jax.jit(lambda state, parts: jax.lax.scan(functools.partial(step, job.name), state, parts), donate_argnums=0)
    times = 5 if job.batch <= 256 else 1                       # small steps: 100 a call
    parts = tuple(jnp.tile(p, (times,) + (1,) * (p.ndim - 1)) for p in job.parts)
    state, losses = many(state, parts)
    check = float(losses[:len(job.parts[0])].mean())

    def run():
        nonlocal state
        state, losses = many(state, parts)
        jax.block_until_ready((state, losses))
        return len(losses)

    return check, run, {"jax": jax.__version__, "optax": optax.__version__}
