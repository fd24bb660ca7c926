"""Records what fluid (paddlepaddle 1.8.5, Python 3.6) computes for small programs: python record_fluid.py FOLDER.

Writes FOLDER/fluid/<case>: ``__model__`` with the parameters in files of their own, or (every other case) a program and
parameters under other names. Sequences (LoD) are recorded one at a time. See record_operators.py.
"""

# ruff: noqa: PLR0915, UP031

import io
import os
import shutil
import sys
import zlib

import numpy as np
import paddle.fluid as fluid
from paddle.fluid import layers as L

CASES = []


def case(name, build, lod=(), **inputs):
    CASES.append((name, build, lod, inputs))


def raw(kind, inputs, attrs, outputs):
    """An operator that has no function of its own: outputs by slot with their types."""
    from paddle.fluid.layer_helper import LayerHelper

    helper = LayerHelper(kind)
    made = {slot: helper.create_variable_for_type_inference(dtype) for slot, dtype in outputs.items()}
    helper.append_op(type=kind, inputs=inputs, attrs=attrs, outputs={slot: [var] for slot, var in made.items()})
    return list(made.values())


def normal(*shape):
    return shape, lambda r, s: r.normal(0, 1, s).astype("f4")


def whole(low, high, *shape):
    return shape, lambda r, s: r.randint(low, high, s).astype("i8")


def steps(*shape):
    return shape, lambda r, s: (r.randint(-9, 10, s) / 2.0).astype("f4")


def positive(*shape):
    return shape, lambda r, s: r.uniform(0.3, 3, s).astype("f4")


def family():
    x = normal("N", 4, 6, 6)
    case("conv-group", lambda x: L.conv2d(x, 8, 3, 2, [0, 1, 1, 0], groups=2, act="relu"), x=x)
    case("deconv", lambda x: L.conv2d_transpose(x, 4, output_size=[13, 14], filter_size=3, stride=2), x=x)
    case("batch-norm", lambda x: L.batch_norm(x, is_test=True, act="leaky_relu"), x=x)
    case("fc", lambda x: L.fc(x, 5, num_flatten_dims=2, act="tanh"), x=x)
    case("fc-two", lambda x, y: L.fc([x, y], 5), x=normal("N", 4), y=normal("N", 3))
    for pool in ("max", "avg"):
        case("pool-" + pool, lambda x, p=pool: L.pool2d(x, 3, p, 2, 1, ceil_mode=True), x=x)
        case("pool-global-" + pool, lambda x, p=pool: L.pool2d(x, pool_type=p, global_pooling=True), x=x)
        case("pool-adaptive-" + pool, lambda x, p=pool: L.adaptive_pool2d(x, 4, p), x=x)
    case("pool-inclusive", lambda x: L.pool2d(x, 3, "avg", 2, 1, ceil_mode=True, exclusive=False), x=x)
    case("dropout", lambda x: L.dropout(x, 0.3, is_test=True), x=x)
    case("dropout-up", lambda x: L.dropout(x, 0.3, is_test=True, dropout_implementation="upscale_in_train"), x=x)
    case("lrn", lambda x: L.lrn(x, 3, 1.0, 0.1, 0.75), x=x)
    case("pad2d", lambda x: L.pad2d(x, [1, 0, 2, 1], "reflect"), x=x)
    case("pad2d-last", lambda x: L.pad2d(x, [1, 0, 2, 1], "edge", data_format="NHWC"), x=x)
    case("pad-like", lambda x, y: L.pad_constant_like(x, y, 0.5), x=normal(2, 4, 5), y=normal(2, 3, 4))
    case("space-to-depth", lambda x: L.space_to_depth(x, 2), x=x)
    case("hard-swish", lambda x: L.hard_swish(x, 5.0, 4.0, 2.0), x=x)
    case("hard-sigmoid", lambda x: L.hard_sigmoid(x, 0.3, 0.4), x=x)
    case("brelu", lambda x: L.brelu(x, -0.5, 0.8), x=x)
    case("soft-relu", lambda x: L.soft_relu(x, 1.0), x=x)
    case("swish", lambda x: L.swish(x, 1.5), x=x)
    case("relu6", lambda x: L.relu6(x, 4.0), x=x)
    case("prelu-element", lambda x: L.prelu(x, "element"), x=x)
    case("round", lambda x: L.round(x), x=steps("N", 8))
    case("floor-divide", lambda x, y: L.elementwise_floordiv(x, y), x=whole(-9, 9, "N", 4), y=whole(1, 4, "N", 4))
    case("mod", lambda x, y: L.elementwise_mod(x, y), x=whole(0, 9, "N", 4), y=whole(1, 4, "N", 4))
    case("cos-sim", lambda x, y: L.cos_sim(x, y), x=positive("N", 4), y=positive("N", 4))
    case("one-hot", lambda x: L.one_hot(x, 5), x=whole(0, 5, "N", 1))
    case("embedding", lambda x: L.embedding(x, [9, 4], padding_idx=2), x=whole(0, 9, "N", 1))
    case("top-k", lambda x: list(L.topk(x, 2)), x=normal("N", 6))
    case("argsort", lambda x: list(L.argsort(x, 1, True)), x=normal("N", 6))
    case("matmul", lambda x, y: L.matmul(x, y, transpose_y=True, alpha=0.5), x=normal("N", 3, 4), y=normal("N", 5, 4))
    case("mean", lambda x: L.mean(x), x=x)
    case("reduce-all", lambda x: L.reduce_sum(x), x=x)
    case("reduce-axis", lambda x: L.reduce_prod(x, [1, 2], True), x=x)
    case("isfinite", lambda x: [L.cast(y, "int32") for y in (L.isfinite(x), L.has_inf(x), L.has_nan(x))], x=x)
    case("expand", lambda x: L.expand(x, [1, 2, 1, 1]), x=x)
    case("expand-as", lambda x, y: L.expand_as(x, y), x=normal(2, 1, 4), y=normal(2, 3, 4))
    case("flatten", lambda x: L.flatten(x, 2), x=x)
    case("squeeze", lambda x: L.squeeze(L.unsqueeze(x, [1, 3]), [3]), x=normal("N", 4))
    case("crop", lambda x: L.crop_tensor(x, [-1, 2, 3, 3], [0, 1, 0, 2]), x=x)
    case("reverse", lambda x: L.reverse(x, [1, 3]), x=x)
    case(
        "multiplex",
        lambda x, y, i: L.multiplex([x, y], L.cast(i, "int32")),
        x=normal(3, 4),
        y=normal(3, 4),
        i=whole(0, 2, 3, 1),
    )
    case("like", lambda x: L.fill_constant_batch_size_like(x, [-1, 3], "float32", 1.5), x=x)
    case("spp", lambda x: raw("spp", {"X": [x]}, {"pyramid_height": 2, "pooling_type": "max"}, {"Out": "float32"}), x=x)
    case("maxout", lambda x: L.maxout(x, 2), x=x)
    case("bilinear", lambda x: L.resize_bilinear(x, [9, 8]), x=x)
    case("bilinear-mode0", lambda x: L.resize_bilinear(x, [9, 8], align_corners=False, align_mode=0), x=x)
    case("bilinear-scale", lambda x: L.resize_bilinear(x, scale=1.7, align_corners=False), x=x)
    case("nearest", lambda x: L.resize_nearest(x, [9, 8]), x=x)
    case("nearest-floor", lambda x: L.resize_nearest(x, scale=2.0, align_corners=False), x=x)
    case("trilinear", lambda x: L.resize_trilinear(x, [4, 5, 6]), x=normal("N", 2, 3, 4, 5))
    case("unique", lambda x: list(L.unique(x)), x=whole(0, 4, 8))
    case("row-conv", lambda x: L.row_conv(x, 2), x=normal("N", 5, 4))
    case("bilinear-product", lambda x, y: L.bilinear_tensor_product(x, y, 3), x=normal("N", 4), y=normal("N", 5))
    case("l2-normalize", lambda x: L.l2_normalize(x, 1), x=x)
    case("group-norm", lambda x: L.group_norm(x, 2), x=x)
    case("instance-norm", lambda x: L.instance_norm(x), x=x)
    case(
        "affine-channel",
        lambda x: L.affine_channel(x, L.create_parameter([4], "float32"), L.create_parameter([4], "float32")),
        x=x,
    )
    case("label-smooth", lambda x: L.label_smooth(x, epsilon=0.2), x=positive("N", 4))
    case("increment", lambda x: L.increment(x, 2.0, in_place=False), x=normal(1))
    case("data-norm", lambda x: L.data_norm(x), x=normal("N", 4))
    case(
        "box-coder",
        lambda p, t: L.box_coder(p, [0.1, 0.1, 0.2, 0.2], t, "decode_center_size", axis=1),
        p=positive("N", 4),
        t=normal("N", 5, 4),
    )
    case(
        "yolo-box",
        lambda x, s: list(L.yolo_box(x, L.cast(s, "int32"), [10, 13, 16, 30], 2, 0.3, 16)),
        x=normal("N", 14, 3, 4),
        s=whole(60, 90, "N", 2),
    )
    case("static-rnn", static_rnn, x=normal("N", 5, 4))
    case("static-rnn-back", lambda x: L.rnn(L.GRUCell(3), x, is_reverse=True)[0], x=normal("N", 5, 4))
    case("if-else", if_else, x=normal("N", 3))
    case("ctc-padded", ctc_padded, x=whole(0, 3, "N", 9), n=whole(2, 9, "N", 1))
    case("fsp", lambda x, y: L.fsp_matrix(x, y), x=normal("N", 3, 4, 5), y=normal("N", 2, 4, 5))
    case("clip-by-norm", lambda x: L.clip_by_norm(x, 2.0), x=normal("N", 5))
    case("position-encoding", lambda x: L.add_position_encoding(x, 0.5, 0.7), x=normal("N", 4, 6))
    case("crf-padded", lambda x, n: crf(x, n), x=normal("N", 6, 4), n=whole(1, 7, "N"))
    case("box-clip", lambda b, i: L.box_clip(b, i), lod=("b",), b=normal(5, 4), i=positive(1, 3))


def static_rnn(x):
    rnn, words = L.StaticRNN(), L.transpose(x, [1, 0, 2])
    with rnn.step():
        word = rnn.step_input(words)
        before = rnn.memory(shape=[-1, 3], batch_ref=word)
        after = L.fc([word, before], 3, act="tanh")
        rnn.update_memory(before, after)
        rnn.step_output(after)
    return rnn()


def if_else(x):
    chooser = L.IfElse(L.reduce_sum(x, 1, keep_dim=True) > 0)
    with chooser.true_block():
        chooser.output(chooser.input(x) * 2)
    with chooser.false_block():
        chooser.output(chooser.input(x) - 1)
    return chooser()[0]


def ctc_padded(x, n):
    inputs = {"Input": [x], "InputLength": [n]}
    return raw("ctc_align", inputs, {"blank": 0, "padding_value": -1}, {"Output": "int64", "OutputLength": "int64"})


def crf(x, length=None):
    attribute = fluid.ParamAttr(name="transition")
    L.create_parameter([6, 4], "float32", attr=attribute)
    return L.crf_decoding(x, attribute, length=length)


def sequences():
    """One sequence of so many steps."""
    x = normal("T", 4)
    case("crf", crf, lod=("x",), x=x)
    case("ctc", lambda x: L.ctc_greedy_decoder(x, 3), lod=("x",), x=x)
    for word in ("average", "sum", "sqrt", "max", "last", "first"):
        case("sequence-pool-" + word, lambda x, w=word: L.sequence_pool(x, w), lod=("x",), x=x)
    case("sequence-softmax", lambda x: L.sequence_softmax(x), lod=("x",), x=normal("T", 1))
    case("sequence-conv", lambda x: L.sequence_conv(x, 3, 3), lod=("x",), x=x)
    case("sequence-conv-ahead", lambda x: L.sequence_conv(x, 3, 2, padding_start=0), lod=("x",), x=x)
    case("sequence-expand", lambda x, y: L.sequence_expand_as(x, y), lod=("y",), x=normal(1, 3), y=x)
    case("sequence-reverse", lambda x: L.sequence_reverse(x), lod=("x",), x=x)
    case("sequence-concat", lambda x: L.sequence_concat([x, x]), lod=("x",), x=x)
    case("sequence-reshape", lambda x: L.sequence_reshape(x, 2), lod=("x",), x=x)
    case("sequence-pad", lambda x: list(L.sequence_pad(x, L.assign(np.asarray([0.5], "f4")), 8)), lod=("x",), x=x)
    case(
        "sequence-unpad",
        lambda x: L.sequence_unpad(*L.sequence_pad(x, L.assign(np.asarray([0.5], "f4")), 8)),
        lod=("x",),
        x=x,
    )
    case("expand-sequence", lambda x, y: L.sequence_expand(x, y), lod=("y",), x=normal(1, 3), y=x)
    case("lstm", lambda x: L.dynamic_lstm(L.fc(x, 12), 12)[0], lod=("x",), x=x)
    case(
        "lstm-back", lambda x: L.dynamic_lstm(L.fc(x, 12), 12, use_peepholes=False, is_reverse=True)[0], lod=("x",), x=x
    )
    case("gru", lambda x: L.dynamic_gru(L.fc(x, 9), 3), lod=("x",), x=x)
    case("gru-back", lambda x: L.dynamic_gru(L.fc(x, 9), 3, is_reverse=True, origin_mode=True), lod=("x",), x=x)
    case(
        "text-conv",
        lambda i: L.fc(fluid.nets.sequence_conv_pool(L.embedding(i, [20, 4]), 5, 3), 2, act="softmax"),
        lod=("i",),
        i=whole(0, 20, "T", 1),
    )


def one(name, build, lod, inputs, folder, place):
    seed = zlib.crc32(name.encode()) % 2**31
    rng = np.random.RandomState(seed)
    sizes = [{"N": 2 + run, "T": 5 + run} for run in range(2)]
    drawn = [
        {key: draw(rng, tuple(size.get(s, s) for s in shape)) for key, (shape, draw) in inputs.items()}
        for size in sizes
    ]
    main, startup = fluid.Program(), fluid.Program()
    main.random_seed = startup.random_seed = seed
    executor, scope = fluid.Executor(fluid.CPUPlace()), fluid.Scope()
    with fluid.scope_guard(scope), fluid.unique_name.guard(), fluid.program_guard(main, startup):
        feeds = [
            fluid.data(
                key,
                [-1 if isinstance(s, str) else s for s in shape],
                str(drawn[0][key].dtype),
                lod_level=int(key in lod),
            )
            for key, (shape, _) in inputs.items()
        ]
        outputs = build(*feeds)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        executor.run(startup)
        for parameter in main.all_parameters():
            array = np.array(scope.find_var(parameter.name).get_tensor())
            scope.find_var(parameter.name).get_tensor().set(
                rng.uniform(0.2, 1, array.shape).astype(array.dtype)
                if "norm" in parameter.name
                else rng.normal(0, 0.5, array.shape).astype(array.dtype),
                fluid.CPUPlace(),
            )
        names = (
            {} if place % 2 or not main.all_parameters() else {"model_filename": "net", "params_filename": "weights"}
        )
        fluid.io.save_inference_model(folder, list(inputs), outputs, executor, main, **names)
        program, keys, fetches = fluid.io.load_inference_model(folder, executor, **names)
        found = {}
        for run in range(2 if any(isinstance(s, str) for shape, _ in inputs.values() for s in shape) else 1):
            given = {
                key: fluid.create_lod_tensor(a, [[len(a)]], fluid.CPUPlace()) if key in lod else a
                for key, a in drawn[run].items()
            }
            results = executor.run(
                program, feed={key: given[key] for key in keys}, fetch_list=fetches, return_numpy=False
            )
            found.update(("in%d|%s" % (run, key), array) for key, array in drawn[run].items())
            found.update(("out%d|%d" % (run, index), np.array(array)) for index, array in enumerate(results))
    packed = io.BytesIO()
    np.savez(packed, **found)
    with open(os.path.join(folder, "io.npz"), "wb") as file:
        file.write(packed.getvalue())
    strip(os.path.join(folder, names.get("model_filename", "__model__")))


def strip(path):
    """Without the lines of source that every operator carries."""
    from paddle.fluid.proto import framework_pb2

    program = framework_pb2.ProgramDesc()
    with open(path, "rb") as file:
        program.ParseFromString(file.read())
    for block in program.blocks:
        for op in block.ops:
            kept = [
                attr for attr in op.attrs if attr.name not in ("op_callstack", "op_namescope", "op_role", "op_device")
            ]
            del op.attrs[:]
            op.attrs.extend(kept)
    with open(path, "wb") as file:
        file.write(program.SerializeToString())


def main(home, wanted):
    family()
    sequences()
    count = 0
    for place, (name, build, lod, inputs) in enumerate(CASES):
        if wanted and name not in wanted:
            continue
        folder = os.path.join(home, "fluid", name)
        try:
            one(name, build, lod, inputs, folder, place)
            count += 1
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            lines = [line.strip() for line in str(error).splitlines() if "rror" in line] or [str(error)[-200:]]
            print("CANNOT", name, type(error).__name__, lines[-1][:200], flush=True)
    print(count, "recorded")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
