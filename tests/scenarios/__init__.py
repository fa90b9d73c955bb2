"""A whole gateway between scripted peers, in memory: one file for each rule."""
