"""One file for each tool that anymask is used from; each imports its tool, which is an optional extra."""
