"""Folders and datasets: the same work on many photos, on one machine or many, so that nothing is lost or done twice.

`inputs` lists the images and `prompt_files` reads their prompts; `manifest` records the state of each; `worker` does
one image; `scheduler` hands images to workers, which `threads`, `processes` and `ray` provide; `job` puts it all
together, and `replay` makes an earlier result again.
"""
