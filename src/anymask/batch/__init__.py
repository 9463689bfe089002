"""Folders and datasets: the same work on many images, on one machine or many, so that nothing is lost or done twice.

`inputs` lists the images and `prompt_files` reads their prompts; `manifest` records the state of each; `worker`
processes one image; `scheduler` gives images to workers, which `threads`, `processes` and `ray` provide; `resolve`
loads the model and replaces "auto"; `job` runs the whole job, and `replay` makes an earlier result again.
"""
