"""Folders and datasets: the same work on many photos, on one machine or many, so that nothing is lost or done twice.

`inputs` lists the photos and `prompt_files` reads what is asked about them; `manifest` remembers what became of each;
`work` does one photo; `dispatch` hands photos to workers, which `lanes`, `processes` and `ray` provide; `batch` puts it
all together, and `replay` makes an earlier result again.
"""
