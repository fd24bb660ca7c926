"""Parity: what "converted" means. Samples, metrics, verdicts, and the search for the first diverging layer.

How the pipeline calls it::

    session = Session(out / "hub.onnx")                                   # runtime.py; device="cuda" where there is one
    inputs, outputs = hub.graph.inputs, hub.graph.outputs

    samples = [load(path, inputs, outputs, name="io.npz") for path in given]           # samples.py: the user's, or
    samples = draw(hub, seed=options.seed, accepts=lambda arrays: runs(session, arrays))    # draw.py: drawn ones

    subject = Runs("onnxruntime", session.run)                            # check.py: each side runs a sample once
    proof = compare_runs("hub", Runs.recorded(), subject, samples, tolerance=options.tolerance)
    proof = compare_runs("hub", Runs("OpenCV 4.12", run_opencv), subject, samples, doubts=verifier.doubts(files, hub))
    proof = compare_runs("pytorch", subject, Runs("torch", run_torch), samples,
                         latency=[latency("onnxruntime", lambda: session.run(samples[0].inputs))])

    save(sample, out / "samples/sample_0.npz", subject.outputs(sample))   # the arrays that were used

    # On a mismatch, with sample = worst_sample(proof, samples), or when options.layers asks for it:
    bisect(hub, out / "hub.onnx", rewrite, sample.inputs, out / "pytorch", stem="divergence")   # bisection.py: the
    #   target's runtime gives outputs only; ``rewrite(part) -> run`` writes a part and runs it there
    first_divergence(PeekOnnx(original, model), Subject.of(out / "hub.onnx", hub), sample.inputs, out)  # divergence.py:
    #   the reference shows its inner tensors
    compare_layers(PeekOnnx(...), Subject.of(...), sample.inputs)         # both errors of every layer
    proof = explained(proof, divergence)                                  # None: says that only outputs can be compared

A runtime that will not run raises RuntimeRefused (or a ConversionError of its toolchain); compare_runs turns its words
into the reason of an ``unverified`` verdict.
"""
