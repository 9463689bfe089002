"""Run an ONNX graph. One small protocol, two engines, chosen by `anymask.engines.loading.load_engine`.

An engine compiles a graph once and keeps the result on disk, so the next process skips building the graph and most
of the compiling. What actually runs (engine, precision, device, threads) is stated by the engine, never swapped.
"""
