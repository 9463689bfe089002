"""Speed, memory and agreement of anymask and of other tools with the same weights: `python -m benchmarks.peers`.

Every tool runs in a process and an environment of its own (`environment`), is driven over standard input
(`process`, `workers`), and takes turns with the others (`measure`), so that a slow moment of the machine meets all of
them. Nothing of another tool is ever imported here.
"""
