"""Reports: a finished result as files that people and programs read.

`archsim.report.folder` writes and reads report folders, `page` and `comparison_page` make the HTML,
`frames` the pandas tables, `archsim.result.schema` the contract of `result.json`.
"""
