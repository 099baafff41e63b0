"""A workload in TensorFlow: one tf.function that loops over many steps, compiled by XLA or not, whichever is faster here. See peers.py."""
import time

import tensorflow as tf

import workloads

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


class B:
    einsum, relu, sigmoid, mean, reshape = tf.einsum, tf.nn.relu, tf.sigmoid, tf.reduce_mean, tf.reshape
    softmax, rows = tf.nn.softmax, tf.gather
    dense = staticmethod(lambda h, w, b: tf.matmul(h, w) + b)
    concat, stack = staticmethod(lambda parts: tf.concat(parts, 1)), staticmethod(lambda parts: tf.concat(parts, 0))
    swap = staticmethod(lambda z: tf.transpose(z, [1, 0, 2]))
    bce = staticmethod(lambda z, y: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)))
    cross_entropy = staticmethod(lambda z, y: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), z)))


class Adam:
    """One kernel for each weight; Keras' Adam is a dozen operations, and its ε another."""
    def __init__(self, weights):
        self.of = [(w, tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in weights]
        self.power = [tf.Variable(1.0), tf.Variable(1.0)]      # β^t

    def apply(self, grads):
        p1, p2 = (power.assign(power * beta) for power, beta in zip(self.power, (BETA1, BETA2)))
        for (w, m, v), g in zip(self.of, grads):
            tf.raw_ops.ResourceApplyAdam(var=w.handle, m=m.handle, v=v.handle, beta1_power=p1, beta2_power=p2, lr=LR, beta1=BETA1, beta2=BETA2,
                                         epsilon=EPS * tf.sqrt(1 - p2), grad=tf.convert_to_tensor(g))


def limit_threads(n):
    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(n)


def seconds_of(call):
    call()                                                     # compiles
    begin = time.perf_counter()
    call().numpy()
    return time.perf_counter() - begin


def prepare(job):
    limit_threads(job.threads)
    w = {k: tf.Variable(v) for k, v in job.start.items()}
    adam = Adam(w.values())
    parts = [tf.constant(p) for p in job.parts]
    n = len(job.parts[0])
    a_call = 100 if job.batch <= 256 else n

    def many():
        """The mean loss of the first n steps."""
        total = tf.constant(0.0)
        for i in tf.range(a_call):
            with tf.GradientTape() as tape:
                value = workloads.loss(job.name, B, w, *(p[i % n] for p in parts))
            adam.apply(tape.gradient(value, list(w.values())))
            total += tf.where(i < n, value, 0.0)
        return total / n

    forms = [tf.function(many, jit_compile=xla) for xla in (True, False)]
    check = float(forms[0]())
    faster = min(forms, key=seconds_of)

    def run():
        faster().numpy()
        return a_call

    return check, run, {"tensorflow": tf.__version__}
