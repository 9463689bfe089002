"""Programs that drive one tool each, started in that tool's own environment, where anymask does not exist.

They import nothing of anymask (but `own`, which drives anymask itself) and speak the protocol of `steps`.
"""
