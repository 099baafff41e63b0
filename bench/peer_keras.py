"""A workload of dense layers as Keras' own `fit` trains it, with what its users write: layers, two outputs, `compile`, NumPy arrays. See peers.py."""
import keras
import numpy

from peer_tf import limit_threads

HEADS = {                                                      # activation and loss of each task
    "w1": [("sigmoid", "binary_crossentropy"), ("sigmoid", "mean_squared_error")],
    "w2": [("softmax", "sparse_categorical_crossentropy"), ("sigmoid", "binary_crossentropy")],
}
A_FIT = 400                                                    # steps


def model_of(job):
    h = x = keras.Input(job.parts[0].shape[2:])
    for name in ("wide", "narrow"):
        if name + ".w" in job.start:
            h = keras.layers.Dense(job.start[name + ".w"].shape[1], activation="relu", name=name)(h)
    heads = [keras.layers.Dense(job.start[task + ".last.w"].shape[1], activation=activation, name=task + ".last")(h)
             for task, (activation, _) in zip(("ta", "tb"), HEADS[job.name])]
    model = keras.Model(x, heads)
    for layer in model.layers[1:]:
        layer.set_weights([job.start[layer.name + ".w"], job.start[layer.name + ".b"]])
    return model


def prepare(job):
    limit_threads(job.threads)
    model = model_of(job)
    model.compile(keras.optimizers.Adam(1e-3, epsilon=1e-8), [loss for _, loss in HEADS[job.name]])
    x, y = (p.reshape(-1, p.shape[2]) for p in (job.parts[0], job.parts[2]))
    seen = model.fit(x, [y[:, 0], y[:, 1]], batch_size=job.batch, shuffle=False, verbose=0)
    times = max(1, A_FIT * job.batch // len(x))
    x, y = numpy.tile(x, (times, 1)), numpy.tile(y, (times, 1))

    def run():
        model.fit(x, [y[:, 0], y[:, 1]], batch_size=job.batch, verbose=0)
        return len(x) // job.batch

    run()
    return seen.history["loss"][0], run, {"keras": keras.__version__}
