"""Records small nets as TF1 saved them: checkpoints of both versions, sharded and partitioned, flat control flow.

Run in a Python 3.7 with tensorflow 1.15, numpy < 1.19 and protobuf < 3.20, from the checkout's root; every case becomes
a folder of ``tests/models/tensorflow``.

    python tests/workers/formats/tensorflow/record_releases.py [CASE...]
"""

import json
import os
import shutil
import sys
import zipfile

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2

ROOT = "tests/models/tensorflow"
RNG = np.random.RandomState(3)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def weights():
    """Variables get random values: zeros and ones hide mistakes."""
    assigns = []
    for variable in tf.compat.v1.global_variables():
        value = RNG.normal(0, 0.4, variable.shape.as_list())
        if "variance" in variable.name:
            value = np.abs(value) + 0.5
        assigns.append(variable.assign(value.astype(variable.dtype.base_dtype.as_numpy_dtype)))
    return assigns


def conv_net(x, training):
    y = tf.layers.conv2d(x, 6, 3, 2, "same", name="conv")
    y = tf.layers.batch_normalization(y, training=training, name="bn")
    y = tf.nn.relu6(y)
    y = tf.layers.max_pooling2d(y, 2, 2)
    y = tf.layers.flatten(y)
    y = tf.layers.dropout(y, 0.5, training=training)
    return tf.layers.dense(y, 4, name="logits")


@case
def tf1_checkpoint_v1():
    x = tf.placeholder(tf.float32, [None, 9, 9, 2], "x")
    tf.nn.softmax(conv_net(x, False), name="prob")
    return {"x:0": (9, 9, 2)}, ["prob:0"], {"save": "v1"}


@case
def tf1_checkpoint_partitioned():
    x = tf.placeholder(tf.float32, [None, 12], "x")
    with tf.variable_scope("net", partitioner=tf.fixed_size_partitioner(3)):
        y = tf.layers.dense(x, 9, tf.nn.tanh, name="one")
        y = tf.layers.dense(y, 7, name="two")
    tf.identity(y, "y")
    return {"x:0": (12,)}, ["y:0"], {"save": "sharded"}


@case
def tf1_training_placeholder():
    x = tf.placeholder(tf.float32, [None, 9, 9, 2], "x")
    training = tf.placeholder(tf.bool, [], "is_training")
    logits = conv_net(x, training)
    tf.identity(logits, "y")
    labels = tf.placeholder(tf.int32, [None], "labels")
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    return {"x:0": (9, 9, 2)}, ["y:0"], {"save": "v2", "constants": {"is_training:0": False}}


@case
def tf1_graph_text_checkpoint():
    x = tf.placeholder(tf.float32, [None, 9, 9, 2], "x")
    tf.identity(conv_net(x, False), "y")
    return {"x:0": (9, 9, 2)}, ["y:0"], {"save": "text"}


@case
def tf1_dynamic_lstm():
    x = tf.placeholder(tf.float32, [None, 7, 5], "x")
    cells = [tf.nn.rnn_cell.BasicLSTMCell(6), tf.nn.rnn_cell.LSTMCell(4)]
    y, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.MultiRNNCell(cells), x, dtype=tf.float32)
    tf.identity(y, "y")
    tf.identity(state[0].c, "c")
    return {"x:0": (7, 5)}, ["y:0", "c:0"], {"save": "frozen"}


@case
def tf1_dynamic_gru_bidirectional():
    x = tf.placeholder(tf.float32, [None, 7, 5], "x")
    cells = [tf.nn.rnn_cell.GRUCell(4), tf.nn.rnn_cell.GRUCell(4)]
    y, _ = tf.nn.bidirectional_dynamic_rnn(cells[0], cells[1], x, dtype=tf.float32)
    with tf.variable_scope("top"):
        z, last = tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicRNNCell(3), tf.concat(y, 2), dtype=tf.float32)
    tf.identity(z, "z")
    tf.identity(last, "last")
    return {"x:0": (7, 5)}, ["z:0", "last:0"], {"save": "frozen"}


@case
def tf1_sequence_length():
    x = tf.placeholder(tf.float32, [None, 7, 5], "x")
    n = tf.placeholder(tf.int32, [None], "n")
    y, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(4, use_peepholes=True), x, n, dtype=tf.float32)
    tf.identity(y, "y")
    tf.identity(state.h, "h")
    return {"x:0": (7, 5), "n:0": ()}, ["y:0", "h:0"], {"save": "frozen"}


@case
def tf1_block_fused_lstm():
    x = tf.placeholder(tf.float32, [None, 7, 5], "x")
    y, _ = tf.contrib.rnn.LSTMBlockFusedCell(4)(tf.transpose(x, [1, 0, 2]), dtype=tf.float32)
    tf.transpose(y, [1, 0, 2], name="y")
    return {"x:0": (7, 5)}, ["y:0"], {"save": "frozen"}


@case
def tf1_while_and_cond():
    x = tf.placeholder(tf.float32, [None, 4], "x")
    w = tf.get_variable("w", [4, 4])

    def step(i, a):
        b = tf.cond(tf.reduce_mean(a) > 0, lambda: tf.nn.relu(tf.matmul(a, w)), lambda: a * 0.5 + 1.0)
        return i + 1, b

    _, y = tf.while_loop(lambda i, a: tf.logical_and(i < 6, tf.reduce_max(tf.abs(a)) < 50.0), step, [0, x])
    z = tf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b + x), [0, a])[1]),
        [0, y],
    )[1]
    tf.identity(z, "z")
    return {"x:0": (4,)}, ["z:0"], {"save": "frozen"}


@case
def tf1_ssd_head_savedmodel():
    x = tf.placeholder(tf.float32, [None, 16, 16, 3], "image")
    y = tf.nn.relu(tf.layers.conv2d(x, 8, 3, 2, "same"))
    y = tf.layers.separable_conv2d(y, 8, 3, 1, "same")
    low = tf.layers.conv2d(y, 4 * 2, 3, 1, "same")
    high = tf.layers.conv2d(tf.layers.conv2d(y, 8, 3, 2, "same"), 4 * 2, 1)
    boxes = tf.concat([tf.reshape(p, [tf.shape(p)[0], -1, 4]) for p in (low, high)], 1)
    up = tf.image.resize_nearest_neighbor(high, [8, 8])
    tf.identity(boxes, "boxes")
    tf.identity(tf.concat([up, low], 3), "features")
    return {"image:0": (16, 16, 3)}, ["boxes:0", "features:0"], {"save": "saved_model"}


@case
def tf1_free_time():
    x = tf.placeholder(tf.float32, [None, None, 5], "x")
    y, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(4), x, dtype=tf.float32)
    backward, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(3), tf.reverse(y, [1]), dtype=tf.float32, scope="back")
    tf.identity(tf.reverse(backward, [1]), "y")
    return {"x:0": (6, 5)}, ["y:0"], {"save": "frozen", "zip": True}


@case
def tf1_beam_search():
    x = tf.placeholder(tf.int32, [None, 5], "x")
    table, cell = tf.get_variable("table", [9, 4]), tf.nn.rnn_cell.GRUCell(4)
    _, state = tf.nn.dynamic_rnn(cell, tf.nn.embedding_lookup(table, x), dtype=tf.float32)
    state, begin = tf.contrib.seq2seq.tile_batch(state, 3), tf.fill([tf.shape(x)[0]], 1)
    decoder = tf.contrib.seq2seq.BeamSearchDecoder(
        tf.nn.rnn_cell.GRUCell(4), table, begin, 2, state, 3, tf.layers.Dense(9)
    )
    found, _, _ = tf.contrib.seq2seq.dynamic_decode(decoder, maximum_iterations=5)
    tf.identity(found.predicted_ids, "ids")
    return {"x:0": (5,)}, ["ids:0"], {"save": "frozen", "zip": True}


@case
def tf1_quantized_weights():
    x = tf.placeholder(tf.float32, [None, 9, 9, 2], "x")
    tf.identity(conv_net(x, False), "y")
    return {"x:0": (9, 9, 2)}, ["y:0"], {"save": "frozen", "transforms": ["quantize_weights(minimum_size=60)"]}


@case
def tf1_feature_columns():
    a, b = tf.placeholder(tf.float32, [None, 2], "a"), tf.placeholder(tf.int32, [None, 1], "b")
    kinds = tf.feature_column.categorical_column_with_identity("b", 8)
    columns = [tf.feature_column.bucketized_column(tf.feature_column.numeric_column("a", (2,)), [-0.5, 0.5]),
               tf.feature_column.embedding_column(kinds, 3), tf.feature_column.indicator_column(kinds)]  # fmt: skip
    x = tf.feature_column.input_layer({"a": a, "b": tf.cast(b, tf.int64)}, columns)
    tf.argmax(tf.layers.dense(x, 3, name="logits"), 1, name="ids")
    tf.as_string(tf.get_default_graph().get_tensor_by_name("ids:0"), name="words")
    return {"a:0": (2,), "b:0": (1,)}, ["logits/BiasAdd:0", "ids:0"], {"save": "frozen", "zip": True}


# --- saving -----------------------------------------------------------------------------------------------------------


def save(session, folder, outputs, how, inputs):
    """The files of a case, by the names that belong into case.json."""
    graph = session.graph
    if how == "frozen":
        names = [name.split(":")[0] for name in outputs]
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), names)
        tf.io.write_graph(frozen, folder, "frozen.pb", as_text=False)
        return ["frozen.pb"]
    if how == "saved_model":
        path = os.path.join(folder, "model")
        tensors = {name.split(":")[0]: graph.get_tensor_by_name(name) for name in inputs}
        found = {name.split(":")[0]: graph.get_tensor_by_name(name) for name in outputs}
        tf.saved_model.simple_save(session, path, tensors, found)
        shutil.make_archive(path, "zip", path)
        shutil.rmtree(path)
        return ["model.zip"]
    version = saver_pb2.SaverDef.V1 if how == "v1" else saver_pb2.SaverDef.V2
    saver = tf.compat.v1.train.Saver(write_version=version, sharded=how == "sharded")
    saver.save(session, os.path.join(folder, "model.ckpt"), 7, write_meta_graph=how != "text", write_state=False)
    if how == "text":
        tf.io.write_graph(graph.as_graph_def(), folder, "graph.pbtxt")
    return sorted(name for name in os.listdir(folder) if not name.startswith(("io_", "case")))


def zipped(folder, files):
    with zipfile.ZipFile(os.path.join(folder, "model.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.write(os.path.join(folder, name), name)
            os.remove(os.path.join(folder, name))
    return ["model.zip"]


def transformed(session, inputs, outputs, transforms):
    """The frozen graph behind TensorFlow's own optimiser of graphs."""
    from tensorflow.tools.graph_transforms import TransformGraph

    names = [name.split(":")[0] for name in outputs]
    frozen = tf.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), names)
    return TransformGraph(frozen, [name.split(":")[0] for name in inputs], names, transforms)


def computed(frozen, outputs, feeds):
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(frozen, name="")
        return session.run(outputs, feeds)


def record(name, build):
    folder = os.path.join(ROOT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tf.compat.v1.reset_default_graph()
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        inputs, outputs, facts = build()
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(weights())
        constants = facts.get("constants", {})
        frozen = transformed(session, inputs, outputs, facts["transforms"]) if "transforms" in facts else None
        samples = []
        for index, batch in enumerate((1, 3)):
            feeds = {}
            for key, shape in inputs.items():
                kind = graph.get_tensor_by_name(key).dtype.as_numpy_dtype
                drawn = RNG.randint(1, 7, (batch, *shape)) if kind == np.int32 else RNG.normal(0, 1, (batch, *shape))
                feeds[key] = drawn.astype(kind)
            results = (
                session.run(outputs, dict(feeds, **constants)) if frozen is None else computed(frozen, outputs, feeds)
            )
            arrays = {f"input_{i}": array for i, array in enumerate(feeds.values())}
            arrays.update((f"output_{i}", array) for i, array in enumerate(results))
            np.savez_compressed(os.path.join(folder, f"io_{index}.npz"), **arrays)
            samples.append((feeds, results))
        files = save(session, folder, outputs, facts["save"], inputs)
        if frozen is not None:
            tf.io.write_graph(frozen, folder, "frozen.pb", as_text=False)
        if facts.get("zip"):
            files = zipped(folder, files)
        plain = facts["save"] == "saved_model"
        describe(folder, name, files, samples[0], outputs, constants, plain)


def describe(folder, name, files, sample, outputs, constants, plain):
    """case.json, in the form of the other cases."""

    def entry(key, array):
        word = key.split(":")[0] if plain else key
        return {"name": word, "shape": [None, *array.shape[1:]], "dtype": str(array.dtype)}

    feeds, results = sample
    options = {} if plain else {"inputs": list(feeds), "outputs": outputs}
    if constants:
        options["constants"] = constants
    listed = sorted(zip(outputs, results)) if plain else zip(outputs, results)  # noqa: B905
    facts = {
        "system": "tensorflow", "case": name, "producer": "tensorflow " + tf.__version__,
        "oracle": f"tf.Session of tensorflow {tf.__version__}, CPU", "model": files,
        "inputs": [entry(key, array) for key, array in feeds.items()],
        "outputs": [entry(key, array) for key, array in listed], "options": options,
    }  # fmt: skip
    with open(os.path.join(folder, "case.json"), "w") as file:
        file.write(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    for name, build in CASES.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            record(name, build)
