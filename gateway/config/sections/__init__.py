"""
The tables of the configuration: one struct for each, with name, kind, default and meaning of every setting.

The help texts are the source of docs/settings.md and of the commented gateway.toml. A key stands here only once it has an
effect; names that belong to a later version are listed in C{later}, so that they are not taken for misspelt.
"""
