"""Small nets of several operators: recurrence, branches and loops, fills, quantised layers. Caffe2's own Python only."""

# Data for Python 3.7.
# ruff: noqa
# fmt: off

import numpy as np
from caffe2.proto import caffe2_pb2
from caffe2.python import core, gru_cell, model_helper, rnn_cell, utils, workspace
from operator_cases import i4, i8, normal, p, unit, v, var, whole

NETS = []


def exported(init, predict, outputs, inputs, fix=None):
    """Parameters as they are after the init net, and the predict net with its ends."""
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    predict = caffe2_pb2.NetDef.FromString(predict.SerializeToString())
    made = {o for op in predict.op for o in op.output}
    needed = [b for op in predict.op for b in op.input if b not in made]
    for op in predict.op:
        for arg in op.arg:
            if arg.HasField("n"):
                needed += [b for inner in arg.n.op for b in inner.input]
    needed = [b for b in dict.fromkeys(needed) if b not in inputs and workspace.HasBlob(b)]
    filled = caffe2_pb2.NetDef(name="init")
    for name in needed:
        array = np.asarray(workspace.FetchBlob(name))
        kind = {"f4": "GivenTensorFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill", "b1": "GivenTensorBoolFill"}[array.dtype.str[1:]]
        filled.op.extend([core.CreateOperator(kind, [], [name], shape=list(array.shape), values=array.ravel().tolist())])
    if not predict.name:
        predict.name = "predict"
    del predict.external_input[:]
    predict.external_input.extend(list(inputs) + needed)
    del predict.external_output[:]
    predict.external_output.extend(outputs)
    return filled, predict, list(inputs), [str(o) for o in outputs]


def net(name, inputs, ops, outputs, params=None):
    """Plain operators: (type, inputs, outputs, arguments)."""
    def build():
        init, predict = core.Net("init"), core.Net("predict")
        filled = caffe2_pb2.NetDef(name="init")
        for key, array in (params or {}).items():
            if isinstance(array, caffe2_pb2.OperatorDef):
                filled.op.extend([array])
                continue
            array = np.asarray(array)
            kind = {"f4": "GivenTensorFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill", "b1": "GivenTensorBoolFill"}[array.dtype.str[1:]]
            filled.op.extend([core.CreateOperator(kind, [], [key], shape=list(array.shape), values=array.ravel().tolist())])
        proto = caffe2_pb2.NetDef(name="predict")
        for type_, ins, outs, args in ops:
            proto.op.extend([core.CreateOperator(type_, ins, outs, **args)])
        proto.external_input.extend(list(inputs) + list(params or {}))
        proto.external_output.extend(outputs)
        return filled, proto, list(inputs), list(outputs)
    NETS.append((name, inputs, build))


def recurrent(name, inputs, build, seed=7):
    def made():
        np.random.seed(seed)
        model = model_helper.ModelHelper(name="m", init_params=True)
        outputs = build(model)
        workspace.ResetWorkspace()
        init = model.param_init_net.Proto()
        for op in init.op:
            if op.type.endswith("Fill"):
                op.device_option.random_seed = seed
        return exported(init, model.net.Proto(), [str(o) for o in outputs], list(inputs))
    NETS.append((name, inputs, made))


def states(*names):
    return {name: unit(1, "N", 5) for name in names}


LENGTHS = lambda n, seed: np.asarray([4, 2, 3][:n], "i4")
SEQUENCE = dict(x=normal(4, "N", 3))

for label, lengths, kw in (("plain", None, {}), ("lengths", "lens", {}), ("forget", None, dict(forget_bias=.7)), ("drop", "lens", dict(drop_states=True))):
    ins = dict(SEQUENCE, **(dict(lens=LENGTHS) if lengths else {}))
    ins.update(states("h0", "c0"))
    recurrent("LSTM-" + label, ins, lambda model, lengths=lengths, kw=kw: rnn_cell.LSTM(model, "x", lengths, ("h0", "c0"), 3, 5, "lstm", forward_only=True, **kw))
recurrent("LSTM-last", dict(SEQUENCE, **states("h0", "c0")), lambda model: rnn_cell.LSTM(model, "x", None, ("h0", "c0"), 3, 5, "lstm", forward_only=True)[1:2])
recurrent("LSTM-no-cells", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0")), lambda model: [o for i, o in enumerate(rnn_cell.LSTM(model, "x", "lens", ("h0", "c0"), 3, 5, "lstm", forward_only=True)) if i != 2])
recurrent("LSTM-training", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0")), lambda model: [o for i, o in enumerate(rnn_cell.LSTM(model, "x", "lens", ("h0", "c0"), 3, 5, "lstm")) if i != 2])
recurrent("LSTM-layers", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0", "h1", "c1")), lambda model: rnn_cell.LSTM(model, "x", "lens", ("h0", "c0", "h1", "c1"), 3, [5, 5], "lstm", forward_only=True))
for label, lengths, kw in (("plain", None, {}), ("lengths", "lens", {}), ("drop", "lens", dict(drop_states=True)), ("after", "lens", dict(linear_before_reset=True))):
    ins = dict(SEQUENCE, **(dict(lens=LENGTHS) if lengths else {}))
    ins.update(states("h0"))
    recurrent("GRU-" + label, ins, lambda model, lengths=lengths, kw=kw: gru_cell.GRU(model, "x", lengths, ("h0",), 3, 5, "gru", forward_only=True, **dict(dict(forget_bias=0.0), **kw)))
for kind in ("tanh", "relu"):
    recurrent("BasicRNN-" + kind, dict(SEQUENCE, lens=LENGTHS, h0=unit(1, "N", 5)), lambda model, kind=kind: rnn_cell.BasicRNN(model, "x", "lens", ("h0",), 3, 5, "rnn", activation=kind, forward_only=True))
recurrent("MILSTM", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0")), lambda model: rnn_cell.MILSTM(model, "x", "lens", ("h0", "c0"), 3, 5, "milstm", forward_only=True))
recurrent("LayerNormLSTM", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0")), lambda model: rnn_cell.LayerNormLSTM(model, "x", "lens", ("h0", "c0"), 3, 5, "lnlstm", forward_only=True))


def attention(model):
    """A decoder that looks at an encoder's outputs, with masked soft attention inside its step."""
    from caffe2.python.attention import AttentionType
    outs = rnn_cell.LSTMWithAttention(
        model, "x", "lens", "h0", "c0", "ctx", 4, "enc", "enc_lens", 3, 5, "dec", AttentionType.Recurrent,
        outputs_with_grads=[0], forward_only=True)
    return list(outs)[:1]


recurrent("LSTM-attention", dict(SEQUENCE, lens=LENGTHS, **dict(states("h0", "c0"), ctx=unit(1, "N", 4), enc=normal(6, "N", 4), enc_lens=lambda n, seed: np.asarray([5, 6, 2][:n], "i4"))), attention)
recurrent("LSTM-both-ways", dict(SEQUENCE, lens=LENGTHS, **states("h0", "c0", "h1", "c1")), lambda model: [
    model.net.Sum([rnn_cell.LSTM(model, "x", "lens", ("h0", "c0"), 3, 5, "fw", forward_only=True)[0],
                   model.net.ReversePackedSegs([rnn_cell.LSTM(model, str(model.net.ReversePackedSegs(["x", "lens"], "xr")), "lens", ("h1", "c1"), 3, 5, "bw", forward_only=True)[0], "lens"], "back")], "both")])


def branch(type_, cond, ops):
    inner = caffe2_pb2.NetDef(name=cond)
    for op in ops:
        inner.op.extend([core.CreateOperator(op[0], op[1], op[2], **(op[3] if len(op) > 3 else {}))])
    return inner


def nested(name, inputs, type_, ins, outs, nets, before=(), outputs=None, params=None):
    def build():
        filled = caffe2_pb2.NetDef(name="init")
        for key, array in (params or {}).items():
            array = np.asarray(array)
            kind = {"f4": "GivenTensorFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill", "b1": "GivenTensorBoolFill"}[array.dtype.str[1:]]
            filled.op.extend([core.CreateOperator(kind, [], [key], shape=list(array.shape), values=array.ravel().tolist())])
        proto = caffe2_pb2.NetDef(name="predict")
        for op in before:
            proto.op.extend([core.CreateOperator(op[0], op[1], op[2], **(op[3] if len(op) > 3 else {}))])
        made = proto.op.add(type=type_)
        made.input.extend(ins)
        made.output.extend(outs)
        for key, ops in nets.items():
            arg = made.arg.add(name=key)
            arg.n.CopyFrom(branch(type_, key, ops))
        proto.external_input.extend(list(inputs) + list(params or {}))
        proto.external_output.extend(outputs or outs)
        return filled, proto, list(inputs), list(outputs or outs)
    NETS.append((name, inputs, build))


SUM = [("SumElements", ["x"], ["s"]), ("GT", ["s", "zero"], ["c"])]
for label, sign in (("then", 1), ("else", -1)):
    nested("If-" + label, dict(x=sign * np.asarray([[1, 2], [3, .5]], "f4")), "If", ["c"], ["y"],
           dict(then_net=[("Relu", ["x"], ["t"]), ("Sqr", ["t"], ["y"])], else_net=[("Negative", ["x"], ["y"])]), SUM, params=dict(zero=v(0)[0]))
nested("If-only-then", dict(x=-np.ones((2, 2), "f4")), "If", ["c"], ["x"], dict(then_net=[("Sqr", ["x"], ["x"])]), SUM, params=dict(zero=v(0)[0]))
nested("While", dict(x=np.asarray([[1.3, 2]], "f4")), "While", ["c"], ["y"],
       dict(cond_net=[("SumElements", ["y"], ["s"]), ("LT", ["s", "limit"], ["c"])], loop_net=[("Mul", ["y", "x"], ["y"])]),
       [("Copy", ["x"], ["y"]), ("SumElements", ["x"], ["s"]), ("LT", ["s", "limit"], ["c"])], params=dict(limit=v(40)[0]))

X = dict(x=normal("N", 3))
net("fills", X, [("DiagonalFill", [], ["d"], dict(shape=[3, 3], value=2.)), ("RangeFill", [], ["r"], dict(shape=[3])),
                 ("Float16ConstantFill", [], ["h"], dict(shape=[3], value=2.5)), ("HalfToFloat", ["h"], ["f"], {}), ("ConstantFill", [], ["k"], dict(shape=[3], value=3)),
                 ("Cast", ["k"], ["kf"], dict(to="float")), ("MatMul", ["x", "d"], ["a"], {}), ("Add", ["a", "r"], ["b"], {}), ("Add", ["b", "f"], ["e"], {}), ("Add", ["e", "kf"], ["out"], {})], ["out", "a"])
net("where", dict(x=normal("N", 3), y=unit("N", 3)), [("GT", ["x", "y"], ["c"], {}), ("Where", ["c", "x", "y"], ["out"], {})], ["out"])
net("in-place", X, [("Relu", ["x"], ["a"], {}), ("Sqr", ["a"], ["a"], {}), ("Add", ["a", "x"], ["x"], {}), ("Sum", ["a", "x"], ["a"], {})], ["a", "x"])
net("pass-through", X, [("Relu", ["x"], ["a"], {})], ["a", "x"])
net("ScatterAssign", dict(x=normal(5, 2), i=i4(3, 1), r=unit(2, 2)), [("ScatterAssign", ["x", "i", "r"], ["x"], {})], ["x"])
net("fp16-weights", X, [("HalfToFloat", ["w16"], ["w"], {}), ("FC", ["x", "w", "b"], ["out"], {})], ["out"],
    dict(w16=core.CreateOperator("Float16ConstantFill", [], ["w16"], shape=[2, 3], value=.3), b=p(2)))
net("nhwc-fc", dict(x=normal("N", 6, 5, 3)), [("Conv", ["x", "w", "b"], ["c"], dict(kernel=3, order="NHWC")), ("Relu", ["c"], ["c"], {}), ("Flatten", ["c"], ["f"], {}), ("FC", ["f", "fw", "fb"], ["out"], {}), ("FC", ["c", "fw", "fb"], ["out2"], {})], ["out", "out2"],
    dict(w=p(4, 3, 3, 3), b=p(4), fw=p(5, 48), fb=p(5)))
net("nhwc-branches", dict(x=normal("N", 6, 6, 3)), [("Conv", ["x", "w", "b"], ["c"], dict(kernel=1, order="NHWC")), ("MaxPool", ["c"], ["m"], dict(kernel=3, pad=1, order="NHWC")), ("Mul", ["m", "s"], ["n"], dict(broadcast=1)),
    ("Concat", ["n", "c"], ["k", "_"], dict(order="NHWC")), ("Sigmoid", ["k"], ["k"], {}), ("Split", ["k"], ["k1", "k2"], dict(order="NHWC")), ("Add", ["k1", "k2"], ["q"], {}), ("AveragePool", ["q"], ["g"], dict(global_pooling=1, order="NHWC")), ("FC", ["g", "fw", "fb"], ["out"], {})], ["out", "q"],
    dict(w=p(4, 1, 1, 3), b=p(4), s=var(4), fw=p(5, 4), fb=p(5)))


def q(type_, outs, **kw):
    made = core.CreateOperator(type_, [], [outs], **{k: a for k, a in kw.items() if k != "data"})
    if type_ == "Int8GivenTensorFill":
        made.arg.add(name="values").s = np.asarray(kw["data"], "u1").tobytes()
    return made


def quantised(name, type_, args, params=(), second=False, shape=("N", 6, 6, 4), outs=1):
    ops = [("Int8Quantize", ["x"], ["q"], dict(Y_scale=.05, Y_zero_point=120))]
    ins = ["q"]
    if second:
        ops.append(("Int8Quantize", ["z"], ["qz"], dict(Y_scale=.05, Y_zero_point=120)))
        ins.append("qz")
    ops += [(type_, ins + [k for k in dict(params)], ["y"], args), ("Int8Dequantize", ["y"], ["out"], {})]
    inputs = dict(x=normal(*shape))
    if second:
        inputs["z"] = unit(*shape)
    net(name, inputs, ops, ["out"], dict(params))


RNG = np.random.RandomState(5)
OUT = dict(Y_scale=.08, Y_zero_point=110)
W = q("Int8GivenTensorFill", "w", shape=[4, 3, 3, 4], data=RNG.randint(0, 255, (4, 3, 3, 4)), Y_scale=.01, Y_zero_point=128)
B = q("Int8GivenIntTensorFill", "b", shape=[4], values=[100, -200, 50, 0], Y_scale=.0005, Y_zero_point=0)
quantised("Int8Conv", "Int8Conv", dict(OUT, kernel=3, order="NHWC"), dict(w=W, b=B))
quantised("Int8ConvRelu", "Int8ConvRelu", dict(OUT, kernel=3, stride=2, pad=1, order="NHWC", Y_zero_point=0), dict(w=W, b=B))
FW = q("Int8GivenTensorFill", "w", shape=[4, 144], data=RNG.randint(0, 255, (4, 144)), Y_scale=.01, Y_zero_point=128)
quantised("Int8FC", "Int8FC", dict(OUT), dict(w=FW, b=B))
for op in ("Int8Add", "Int8Sum", "Int8AddRelu", "Int8SumRelu"):
    quantised(op, op, dict(OUT, Y_zero_point=0 if "Relu" in op else 110), second=True)
quantised("Int8MaxPool", "Int8MaxPool", dict(Y_scale=.05, Y_zero_point=120, kernel=3, stride=2, order="NHWC"))
quantised("Int8AveragePool", "Int8AveragePool", dict(OUT, kernel=3, stride=2, order="NHWC"))
quantised("Int8AveragePool-pad", "Int8AveragePool", dict(OUT, kernel=3, stride=2, pad=1, order="NHWC"))
quantised("Int8AveragePool-global", "Int8AveragePool", dict(OUT, global_pooling=1, order="NHWC"))
quantised("Int8Relu", "Int8Relu", dict(Y_scale=.05, Y_zero_point=120))
quantised("Int8LeakyRelu", "Int8LeakyRelu", dict(OUT, alpha=.2))
quantised("Int8Sigmoid", "Int8Sigmoid", dict(Y_scale=1 / 256., Y_zero_point=0))
quantised("Int8Softmax", "Int8Softmax", dict(Y_scale=1 / 256., Y_zero_point=0), shape=("N", 6))
quantised("Int8Concat", "Int8Concat", dict(Y_scale=.05, Y_zero_point=120), second=True)
quantised("Int8ChannelShuffle", "Int8ChannelShuffle", dict(Y_scale=.05, Y_zero_point=120, group=2, kernel=1, order="NHWC"))
quantised("Int8ResizeNearest", "Int8ResizeNearest", dict(Y_scale=.05, Y_zero_point=120, width_scale=2., height_scale=1.5))
quantised("Int8Slice", "Int8Slice", dict(Y_scale=.05, Y_zero_point=120, starts=[0, 0, 0, 1], ends=[-1, -1, -1, -1]))
net("Int8Reshape", dict(x=normal("N", 2, 3)), [("Int8Quantize", ["x"], ["q"], dict(Y_scale=.05, Y_zero_point=120)), ("Int8Reshape", ["q"], ["y", "_"], dict(Y_scale=.05, Y_zero_point=120, shape=[0, -1])), ("Int8Dequantize", ["y"], ["out"], {})], ["out"])
quantised("Int8Concat-order", "Int8Concat", dict(Y_scale=.05, Y_zero_point=120, order="NHWC"), second=True)
quantised("Int8Concat-axis", "Int8Concat", dict(Y_scale=.05, Y_zero_point=120, axis=1), second=True)
quantised("Int8Transpose", "Int8Transpose", dict(Y_scale=.05, Y_zero_point=120, axes=[0, 3, 1, 2]))
quantised("Int8ConvTranspose", "Int8ConvTranspose", dict(OUT, kernel=3, stride=2, order="NHWC"), dict(w=W, b=B))
